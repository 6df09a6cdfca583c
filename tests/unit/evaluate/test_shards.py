"""Shards of an evaluation merge to the bytes of one job, and only the right ones merge."""

import json

import pytest
from test_evaluate_local import evaluate, setting  # noqa: F401

from roadtrain.files import read_rows
from support.training import run


@pytest.fixture
def sharded(setting):  # noqa: F811
    assert evaluate(setting).returncode == 0
    for n in (1, 2):
        assert (
            evaluate(
                setting,
                "--shard",
                f"{n}/2",
                "--predictions",
                setting / f"p{n}.jsonl",
                "--source",
                setting / f"s{n}.json",
            ).returncode
            == 0
        )
    return setting


def merge(root, numbers, **files):
    predictions, sources = (
        [files.get(f"{kind}{n}", root / f"{kind}{n}.{end}") for n in numbers]
        for kind, end in (("p", "jsonl"), ("s", "json"))
    )
    return run(
        "scripts/merge_predictions.py",
        "--llava",
        root / "x.llava.json",
        "--predictions",
        *predictions,
        "--sources",
        *sources,
        "--output",
        root / "m.jsonl",
        "--source",
        root / "m.source.json",
    )


@pytest.mark.slow
def test_shards_merge_to_the_bytes_of_one_job_in_any_order(sharded):
    videos = [{row["video"] for _, row in read_rows(sharded / f"p{n}.jsonl")} for n in (1, 2)]
    assert videos == [{"v0.mp4", "v2.mp4"}, {"v1.mp4"}]
    for order in ([1, 2], [2, 1]):
        done = merge(sharded, order)
        assert done.returncode == 0, done.stderr
        assert (sharded / "m.jsonl").read_bytes() == (sharded / "p.jsonl").read_bytes()
        assert (sharded / "m.source.json").read_bytes() == (sharded / "p.source.json").read_bytes()


@pytest.mark.slow
def test_only_the_right_shards_merge(sharded):
    for numbers, says in ([1], "each of 1/1"), ([1, 1], "shards given: 1/2, 1/2"):
        done = merge(sharded, numbers)
        assert done.returncode == 1 and says in done.stderr and not (sharded / "m.jsonl").exists()
    other = json.loads((sharded / "s2.json").read_text())
    (sharded / "s2.json").write_text(json.dumps(other | {"checkpoint_sha256": "another"}))
    done = merge(sharded, [1, 2])
    assert done.returncode == 1 and "checkpoint_sha256 isn't that of" in done.stderr
    (sharded / "s2.json").write_text(json.dumps(other))
    (sharded / "p2.jsonl").write_text((sharded / "p2.jsonl").read_text().split("\n")[0] + "\n")
    done = merge(sharded, [1, 2])
    assert done.returncode == 1 and "no shard has question v1_1 (1 missing)" in done.stderr


@pytest.mark.parametrize("value", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_shard_that_makes_no_sense(tmp_path, value):
    done = run("scripts/evaluate_local.py", "--shard", value)
    assert done.returncode == 2 and "should be i/n" in done.stderr
