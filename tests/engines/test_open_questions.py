"""Open questions: every checkpoint's words about the same frames, with a picture, in the report's format."""

import base64
import json

import yaml

from roadtrain.files import read_json, write_json
from roadtrain.spec.reading import read_spec
from support import tiny
from support.evaluation import prepare
from support.programs import ROOT, run_program
from support.run_toml import PROMPT


def test_answers_of_every_checkpoint(tmp_path):
    """Two questions about two of three videos (one has no frames), asked of a base and of the best epoch."""
    root = prepare(tmp_path)
    manifest = read_json(root / "base.json")
    write_json(root / "epoch_1.json", manifest | {"checkpoint": "epoch_1"})
    write_json(root / "best.json", {"checkpoint": "epoch_1", "manifest": str(root / "epoch_1.json")})
    questions = ["What happens?", 'Is it "dry" $(here)?']
    process = run_program(
        "answer_open_questions.py",
        checkpoints=[root / "base.json", root / "best.json"],
        llava=root / "x.llava.json",
        frames=root / "index.json",
        open_questions=json.dumps({"questions": questions, "videos": 5, "max_new_tokens": 6}),
        system_prompt=PROMPT,
        output=root / "o.json",
    )
    assert process.returncode == 0, process.stderr
    answers = read_json(root / "o.json")
    assert [(item["question"], item["video"]) for item in answers["items"]] == [
        (q, f"v{n}.mp4") for q in questions for n in (0, 2)
    ]
    assert answers["checkpoints"] == {name: manifest["sha256"] for name in (tiny.BASE.name, "epoch_1")}
    for item in answers["items"]:
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
