"""Open questions: every checkpoint's words about the same frames, with a picture, in the report's format."""

import base64
import json

import yaml
from test_evaluate_local import PROMPT_ARGS, setting  # noqa: F401

from roadtrain.files import read_json, write_json
from roadtrain.spec.reading import read_spec
from support import tiny
from support.training import run
from support.workflow import ROOT


def test_answers_of_every_checkpoint(setting):  # noqa: F811
    """Two questions about two of three videos (one has no frames), asked of a base and of the best epoch."""
    manifest = read_json(setting / "base.json")
    write_json(setting / "epoch_1.json", manifest | {"checkpoint": "epoch_1"})
    write_json(setting / "best.json", {"checkpoint": "epoch_1", "manifest": str(setting / "epoch_1.json")})
    questions = ["What happens?", 'Is it "dry" $(here)?']
    done = run(
        "scripts/answer_open_questions.py",
        "--checkpoints",
        setting / "base.json",
        setting / "best.json",
        "--llava",
        setting / "x.llava.json",
        "--frames",
        setting / "index.json",
        "--open-questions",
        json.dumps({"questions": questions, "videos": 5, "max_new_tokens": 6}),
        *PROMPT_ARGS,
        "--output",
        setting / "o.json",
    )
    assert done.returncode == 0, done.stderr
    found = read_json(setting / "o.json")
    assert [(item["question"], item["video"]) for item in found["items"]] == [
        (q, f"v{n}.mp4") for q in questions for n in (0, 2)
    ]
    assert found["checkpoints"] == {name: manifest["sha256"] for name in (tiny.BASE.name, "epoch_1")}
    for item in found["items"]:
        assert (
            list(item["answers"]) == [tiny.BASE.name, "epoch_1"] and len(set(item["answers"].values())) == 1
        )  # the same weights
        kind, content = item["picture"].split(",")
        assert kind == "data:image/jpeg;base64" and base64.b64decode(content).startswith(b"\xff\xd8")


def test_the_spec_takes_them_and_an_accuracy_does_not_depend_on_them():
    values = yaml.safe_load((ROOT / "specs/sample.yaml").read_text())
    plain = read_spec(values, "x")
    asking = read_spec(json.loads(json.dumps(values | {"open_questions": {"questions": ["Why?"]}})), "x")
    assert asking.open_questions.questions == ["Why?"] and asking.hash("nframes8") == plain.hash("nframes8")
