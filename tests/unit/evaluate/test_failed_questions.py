"""Questions at which a server failed: named, asked another time, and no verdict rests on many of them."""

import json

import pytest

from roadtrain.evaluate import failed_questions
from roadtrain.evaluate.evaluation import evaluate_checkpoint, evaluation_parser
from roadtrain.evaluate.replies import Reply
from roadtrain.evaluate.shards import merge_shards
from roadtrain.files import read_json
from support.evaluation import prepare
from support.run_toml import PROMPT

WORDS = "500 out of memory"


@pytest.fixture
def asked(tmp_path):
    """(root, a function that asks a server which fails at some questions, the ids that it was asked in turn)."""
    prepare(tmp_path)
    files = {"llava": "x.llava.json", "frames": "index.json", "checkpoint": "base.json"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(tmp_path / file))]
    ids = []

    def ask(fails: set[str], shard: str = "1/1", name: str = "p") -> None:
        def replies(_args, _manifest, _frames, clips):
            for questions in clips.values():
                ids.extend(question.id for question in questions)
                yield {q.id: Reply(None, failure=WORDS) if q.id in fails else Reply("A") for q in questions}

        outputs = ["--predictions", str(tmp_path / f"{name}.jsonl"), "--source", str(tmp_path / f"{name}.json")]
        args = evaluation_parser("").parse_args([*words, *outputs, f"--system-prompt={PROMPT}", "--shard", shard])
        args.gpus = 0
        evaluate_checkpoint(args, "vllm-server", (), replies)

    return tmp_path, ask, ids


@pytest.mark.slow
def test_more_than_a_small_share_gives_no_answers_and_only_these_are_asked_again(asked):
    root, ask, ids = asked
    with pytest.raises(ValueError, match=rf"p\.jsonl: the server failed at 1 of \d questions .*: {WORDS}; no more"):
        ask({"v2_0"})
    assert not (root / "p.jsonl").exists() and not (root / "p.json").exists()
    first = len(ids)
    ask(set())
    assert {id.split("_")[0] for id in ids[first:]} == {"v2"} and "failed_questions" not in read_json(root / "p.json")


@pytest.mark.slow
def test_a_small_share_is_named_in_the_source(asked, monkeypatch):
    monkeypatch.setattr(failed_questions, "MOST", 0.5)
    root, ask, _ = asked
    ask({"v2_1", "v0_0"})
    listed = [{"id": "v0_0", "reason": WORDS}, {"id": "v2_1", "reason": WORDS}]
    assert read_json(root / "p.json")["failed_questions"] == listed
    rows = [json.loads(line) for line in (root / "p.jsonl").read_text().splitlines()]
    assert [row["response"] for row in rows if row["id"] in ("v0_0", "v2_1")] == [None, None]
    for n in (1, 2):
        ask({"v2_1", "v0_0"}, f"{n}/2", f"p{n}")
    files = [[root / f"p{n}.{kind}" for n in (2, 1)] for kind in ("jsonl", "json")]
    merge_shards(
        str(root / "x.llava.json"), files[0], [str(file) for file in files[1]], root / "m.jsonl", root / "m.json"
    )
    assert (root / "m.json").read_bytes() == (root / "p.json").read_bytes()
