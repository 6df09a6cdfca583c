"""Shards of an evaluation merge to the bytes of one job, and only the right ones merge."""

import json

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.data.strict_json import read_rows
from roadtrain.evaluate.predictions import prediction_row, write_predictions
from roadtrain.evaluate.replies import Reply
from roadtrain.evaluate.shards import merge_shards
from roadtrain.files import sha256_file, write_json
from support.evaluation import evaluate, prepare
from support.programs import run_program


@pytest.fixture
def sharded(tmp_path):
    root = prepare(tmp_path)
    assert evaluate(root).returncode == 0
    for n in (1, 2):
        shard = evaluate(root, shard=f"{n}/2", predictions=root / f"p{n}.jsonl", source=root / f"s{n}.json")
        assert shard.returncode == 0, shard.stderr
    return root


def merge(root, numbers):
    return run_program(
        "merge_predictions.py",
        llava=root / "x.llava.json",
        predictions=[root / f"p{n}.jsonl" for n in numbers],
        sources=[root / f"s{n}.json" for n in numbers],
        output=root / "m.jsonl",
        source=root / "m.source.json",
    )


@pytest.mark.slow
def test_shards_merge_to_the_bytes_of_one_job_in_any_order(sharded):
    videos = [{row["video"] for _, row in read_rows(sharded / f"p{n}.jsonl")} for n in (1, 2)]
    assert videos == [{"v0.mp4", "v2.mp4"}, {"v1.mp4"}]
    for order in ([1, 2], [2, 1]):
        process = merge(sharded, order)
        assert process.returncode == 0, process.stderr
        assert (sharded / "m.jsonl").read_bytes() == (sharded / "p.jsonl").read_bytes()
        assert (sharded / "m.source.json").read_bytes() == (sharded / "p.source.json").read_bytes()


@pytest.mark.slow
def test_only_the_right_shards_merge(sharded):
    for numbers, says in ([1], "each of 1/1"), ([1, 1], "shards given: 1/2, 1/2"):
        process = merge(sharded, numbers)
        assert process.returncode == 1 and says in process.stderr and not (sharded / "m.jsonl").exists()
    other = json.loads((sharded / "s2.json").read_text())
    (sharded / "s2.json").write_text(json.dumps(other | {"checkpoint_sha256": "another"}))
    process = merge(sharded, [1, 2])
    assert process.returncode == 1 and "checkpoint_sha256 isn't that of" in process.stderr
    (sharded / "s2.json").write_text(json.dumps(other))
    (sharded / "p2.jsonl").write_text((sharded / "p2.jsonl").read_text().split("\n")[0] + "\n")
    process = merge(sharded, [1, 2])
    assert process.returncode == 1 and "no shard has question v1_1 (1 missing)" in process.stderr


@pytest.fixture
def written(tmp_path):
    """The files of two shards of a clip each, as an evaluation writes them, without one."""
    words = {"type": "t", "phase": "p", "answer": "A", "human": multiple_choice("Which?", {"a": "one", "b": "two"})}
    entries = [entry_json(id=f"q{n}", scenario="s", video=f"v{n}.mp4", **words) for n in (1, 2)]
    write_entries(tmp_path / "x.json", entries)
    source = {"checkpoint": "c", "llava_sha256": sha256_file(tmp_path / "x.json"), "unanswered_videos": []}
    for n, question in enumerate(read_questions(tmp_path / "x.json"), start=1):
        write_predictions(tmp_path / f"p{n}.jsonl", [prediction_row(question, Reply("A"))])
        write_json(tmp_path / f"s{n}.json", source | {"shard": f"{n}/2"})
    return tmp_path


def merge_here(root):
    names = [[root / f"p{n}.jsonl" for n in (1, 2)], [str(root / f"s{n}.json") for n in (1, 2)]]
    merge_shards(str(root / "x.json"), *names, root / "m.jsonl", str(root / "m.json"))


def test_shards_of_other_questions_than_the_files_do_not_merge(written):
    """The same ids with other words and right answers: rows bring these along."""
    merge_here(written)
    path = written / "x.json"
    path.write_text(path.read_text().replace("one", "three"))
    with pytest.raises(ValueError, match="x.json: .*s1.json is of other questions: evaluate the shards again"):
        merge_here(written)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("s2.json", "[]", "s2.json: no source of a shard's predictions"),
        ("s2.json", '{"checkpoint": "c"}', "s2.json: no source of a shard's predictions"),
        ("p2.jsonl", '{"answer": "A"}', "p2.jsonl: line 1: key id is missing"),
        ("p2.jsonl", '{"id": ["q2"]}', "p2.jsonl: line 1: key video is missing"),
    ],
)
def test_files_that_are_no_shards_are_named(name, text, says, written):
    (written / name).write_text(text)
    with pytest.raises(ValueError, match=says):
        merge_here(written)


@pytest.mark.parametrize("value", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_shard_that_makes_no_sense(tmp_path, value):
    process = run_program("evaluate_local.py", shard=value)
    assert process.returncode == 2 and "should be i/n" in process.stderr
