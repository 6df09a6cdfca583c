"""Both settings of data.views through the chain on the rendered sample: converted, planned, decoded, asked, scored."""

import json

import pytest

import make_sample
from roadtrain.data.llava import read_questions
from roadtrain.evaluate.accuracy import score
from roadtrain.evaluate.predictions import read_predictions
from roadtrain.files import read_json
from roadtrain.sample.tree import SampleSpec
from support import tiny
from support.clips import decode
from support.conversion import convert_tree
from support.evaluation import VISION, evaluate
from support.programs import run_program
from support.run_toml import render_run_toml

TWO_CAMERAS = SampleSpec(seed=212, train=1, val=1)  # in both splits
TRAIN = {"engine": "local", "gpus": 0, "dtype": "float32", "train_batch_per_replica": 10, "model_max_length": 4096}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    make_sample.make_sample(TWO_CAMERAS, root)
    return root


@pytest.fixture(scope="module", params=["each", "together"])
def chain(request, sample, tmp_path_factory):
    """(setting, its folder): questions, plan, frames and predictions of the committed base about val."""
    root, views = tmp_path_factory.mktemp(request.param), request.param
    convert_tree(sample, root, splits=("val",), views=views)
    (root / "val.json").rename(root / "x.llava.json")
    (root / "media").symlink_to(sample / "videos/val")
    decode(root, VISION)
    render_run_toml(root / "sft.toml", root, model=tiny.BASE, vision=VISION, train=TRAIN, output_dir=root / "w")
    planned = run_program("preflight.py", toml=root / "sft.toml", output=root / "preflight.json")
    assert planned.returncode == 0, planned.stderr
    tiny_base(root)
    result = evaluate(root, evaluate='{"max_new_tokens": 1, "answers": "letters"}')
    assert result.returncode == 0, result.stderr
    return views, root


def tiny_base(root):
    from roadtrain.files import write_json
    from roadtrain.model.checkpoints import describe

    write_json(root / "base.json", describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=0, step=0))


def test_both_ways_are_planned_asked_and_scored(chain):
    views, root = chain
    questions, plan = list(read_questions(root / "x.llava.json")), read_json(root / "preflight.json")
    cameras = {medium.file for q in questions for medium in q.clip.media}
    texts = {(q.text, q.answer) for q in questions}
    assert len(cameras) == 2 and len(questions) == len(texts) * (2 if views == "each" else 1)
    index = {row["video"]: row["vision_tokens"] for row in read_json(root / "index.json")["clips"]}
    assert index.keys() == cameras

    longest = sum(index.values()) if views == "together" else max(index.values())
    assert plan["vision_tokens"]["max"] == longest and plan["longest_sequence"] > longest
    assert plan["clips"]["total"] == (1 if views == "together" else 2)

    predictions = read_predictions(root / "p.jsonl")
    assert len(predictions) == len(questions) and all(p.probabilities and p.answer for p in predictions)
    rows = [json.loads(line) for line in (root / "p.jsonl").read_text().splitlines()]
    accuracy = score(predictions, 100)
    if views == "together":
        assert all(row["videos"] == sorted(cameras) for row in rows)
        assert list(accuracy["by_camera"]) == ["several"] and "merged_cameras" not in accuracy
        return
    merged = accuracy["merged_cameras"]
    assert not any("videos" in row for row in rows) and len(accuracy["by_camera"]) == 2
    assert (
        merged["questions"] == merged["of_several_cameras"] == len(texts)
        and {"votes", "probabilities"} <= merged.keys()
    )


def test_a_sequence_that_is_too_long_is_said_before_anything_is_trained(chain):
    """The plan follows what is shown: a limit that one camera fits in is too small for both together."""
    views, root = chain
    one = max(row["vision_tokens"] for row in read_json(root / "index.json")["clips"])
    longest = read_json(root / "preflight.json")["longest_sequence"]
    limit = longest - 1 if views == "together" else longest
    assert limit > one
    train = TRAIN | {"model_max_length": limit}
    render_run_toml(root / "short.toml", root, model=tiny.BASE, vision=VISION, train=train, output_dir=root / "w")
    planned = run_program("preflight.py", toml=root / "short.toml", output=root / "short.json")
    assert planned.returncode == (1 if views == "together" else 0)
    assert ("longest sequence" in planned.stderr) == (views == "together")
