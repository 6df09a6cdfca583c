"""spec.json is what watch.py and ask.py read while a run is under way: every target writes it, before anything else."""

import re

import pytest

from support.workflow import ROOT, copy_project, must_run, write_spec


def test_every_target_writes_the_spec():
    """paper and report by way of what they are made from."""
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^(?=rule \w+:)", path.read_text(), flags=re.M)[1:]:
            name = re.match(r"rule (\w+)", block)[1]
            if '"""Target: ' in block and name not in ("paper", "report"):
                assert "RUN.spec," in block, f"{path.name}: rule {name}"


@pytest.mark.slow
def test_the_spec_is_the_first_job(tmp_path):
    """Of those that could begin: on one core, another job that waits for nothing comes after it."""
    work = copy_project(tmp_path)
    write_spec(work)
    targets = ("results/small/nframes8/checkpoints/zero_shot.json", "results/small/spec.json")
    jobs = re.findall(r"^Job \d+: (.*)", must_run(work, *targets, "--cores", "1"), re.M)
    assert jobs[0] == "Writing the spec with every default filled in to results/small/spec.json" and len(jobs) == 2
