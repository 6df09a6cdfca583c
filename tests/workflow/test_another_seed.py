"""`repeat` in the workflow: a further seed makes its own runs, and what training rests on stays as it is for the others."""

import pytest

from support.workflow import copy_project, must_run, planned, write_spec


@pytest.mark.slow
def test_another_seed_plans_its_own_runs_only(tmp_path):
    """Training is stale by its TOML, data, frames and base: the first seed's TOML is neither made again nor another."""
    work = copy_project(tmp_path)
    write_spec(work, {"repeat": {"seeds": [0]}})
    first = work / "results/small/nframes8-seed0/sft.toml"
    must_run(work, "results/small/spec.json", str(first.relative_to(work)))
    before = first.read_bytes()
    write_spec(work, {"repeat": {"seeds": [0, 1]}})
    names = [f"results/small/{ablation}-seed{n}/sft.toml" for ablation in ("nframes8", "fps2") for n in (0, 1)]
    assert planned(work, "results/small/spec.json", *names) == {"write_spec": 1, "render_toml": 3}
    assert planned(work, names[0]) == {}
    must_run(work, names[1])
    second = (work / names[1]).read_text()
    assert first.read_bytes() == before
    assert second.replace("nframes8-seed1", "nframes8-seed0").replace("seed = 1", "seed = 0") == before.decode()
