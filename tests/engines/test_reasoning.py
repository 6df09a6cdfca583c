"""A rendered sample in TAR's layout through the whole chain: converted, trained, asked with room to reason, scored by kind."""

import json

import pytest

from roadtrain.data.answer_reasoning import reasoned_text
from roadtrain.data.strict_json import read_rows
from roadtrain.files import read_json
from support import tiny, training
from support.clips import decode
from support.evaluation import evaluate
from support.programs import run_program
from support.tar_tree import write_tar

REASON = "It moves."

TRAINED = ("bcq", "mcq", "open_qa", "temporal_localization")  # a task of each kind: of all ten unit tests speak
DATA = {"source": "tar", "split": {"val": 0.5}, "reasoning": "keep", "tasks": TRAINED}
EVALUATE = json.dumps({"reasoning": {"max_new_tokens": 60}})
SETTINGS = {"epochs": 24, "train_batch_per_replica": 4, "learning_rate": 4e-3, "warmup_steps": 0}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a tiny base model, the questions of one of two videos and their frames: what is trained is asked."""
    root = tmp_path_factory.mktemp("tar")
    write_tar(root / "tar", 2, TRAINED, rendered=True, reasoning=REASON)
    (root / "media").symlink_to(root / "tar/videos")
    data = json.dumps(DATA | {"root": str(root / "tar")})
    outputs = {"train": root / "x.llava.json", "val": root / "val.llava.json", "audit": root / "audit.json"}
    result = run_program("convert_annotations.py", data=data, **outputs)
    assert result.returncode == 0, result.stderr
    tiny.processor().save_pretrained(root / "base")
    tiny.model("float32").save_pretrained(root / "base")
    decode(root, training.VISION)
    return root


def test_the_chain_from_the_download_to_the_accuracy(root):
    """A base of random weights learns the form in some steps; what it doesn't get right is counted by name."""
    weights = training.must_train(root / "w", training.render_toml(root, **SETTINGS))
    files = {"predictions": root / "last.jsonl", "source": root / "last.source.json"}
    result = evaluate(root, checkpoint=weights / "manifests/epoch_24.json", evaluate=EVALUATE, **files)
    assert result.returncode == 0, result.stderr
    scored = run_program("score.py", **files, spec_hash="x", accuracy=root / "last.json")
    assert scored.returncode == 0, scored.stderr

    rows = {row["group"]: row for _, row in read_rows(files["predictions"])}
    assert tuple(rows) == TRAINED and all(row["with_reasoning"] for row in rows.values())
    assert rows["mcq"]["probabilities"] is None, "a letter has none where a response begins with reasoning"
    assert rows["bcq"]["response"] == reasoned_text(REASON, "Yes") and rows["bcq"]["is_correct"]
    assert read_json(files["source"])["reasoning"] == {"max_new_tokens": 60}
    accuracy = read_json(root / "last.json")
    assert accuracy["total_questions"] == 2 and set(accuracy["kinds"]) == {"choice", "binary", "interval", "text"}
    use = accuracy["reasoning"]
    assert use["responses"] == 4 == use["well_formed"] + sum(use["mistakes"].values()) and use["well_formed"] >= 1
    assert f"reasoning: {use['well_formed']} of 4 responses" in scored.stdout
