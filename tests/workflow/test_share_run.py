"""`train.share` in the workflow: the part is written once for ablations of one share and seed, and everything reads it."""

import json
import tomllib

import pytest

from support.workflow import copy_project, must_run, planned, read, write_spec

SPEC = {
    "data": {"sample": {"train": 8, "val": 3}},
    "train": {"epochs": 1},
    "ablations": {"fps2": None, "half": {"vision": {"nframes": 8}, "train": {"share": 0.5}}},
}


@pytest.mark.slow
def test_a_share_is_trained_on_and_another_share_makes_its_own_runs_only(tmp_path):
    work = copy_project(tmp_path)
    write_spec(work, SPEC)
    run = work / "results/small"
    files = [f"results/small/half/{name}" for name in ("train_log.jsonl", "predictions/majority.jsonl")]
    others = [f"results/small/nframes8/{name}" for name in ("sft.toml", "preflight.json", "predictions/majority.jsonl")]
    must_run(work, "results/small/spec.json", *files, *others)
    everything = json.loads((run / "data/train.llava.json").read_text())
    part = json.loads((run / "data/train.share-0.5.seed-0.llava.json").read_text())
    counts = read(run / "data/train.share-0.5.seed-0.json")
    total = len({value["wts_id"] for value in everything})
    assert counts["scenarios"] == {"trained": int(0.5 * total + 0.5), "total": total}
    assert {value["id"] for value in part} < {value["id"] for value in everything}
    # Training, plan and baseline are of the part; the other ablation has all.
    toml = tomllib.loads((run / "half/sft.toml").read_text())
    assert toml["custom"]["dataset"]["annotation_path"] == "results/small/data/train.share-0.5.seed-0.llava.json"
    trained = sum(json.loads(line)["questions"] for line in (run / "half/train_log.jsonl").read_text().splitlines())
    assert trained == len(part) == read(run / "half/preflight.json")["questions"] == counts["questions"]["trained"]
    assert read(run / "nframes8/preflight.json")["questions"] == len(everything) > len(part)
    hashes = [
        read(run / f"{name}/predictions/majority.source.json")["checkpoint_sha256"] for name in ("half", "nframes8")
    ]
    assert hashes[0] != hashes[1]
    # A share of another ablation is its own part; what was trained stays.
    quarter = {"vision": {"nframes": 8}, "train": {"share": 0.25}}
    write_spec(work, SPEC | {"ablations": SPEC["ablations"] | {"quarter": quarter}})
    jobs = planned(work, *files, *others, "results/small/quarter/preflight.json")
    assert jobs == {"take_share": 1, "render_toml": 1, "preflight": 1}
