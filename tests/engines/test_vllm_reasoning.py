"""The real vLLM (its CPU build) with room to reason, and with several videos in a prompt: the local engine's answers."""

import json

import make_sample
from roadtrain.data.strict_json import read_rows
from roadtrain.files import read_json, write_json
from roadtrain.model.checkpoints import describe
from roadtrain.sample.tree import SampleSpec
from support import tiny
from support.clips import decode
from support.conversion import convert_tree
from support.evaluation import VISION, evaluate
from support.programs import run_program
from support.real_vllm import PROMPT, needs_vllm
from support.tar_tree import write_tar

pytestmark = needs_vllm
TWO_CAMERAS = SampleSpec(seed=212, train=1, val=1)
DIGITS = 3  # of probabilities that both engines say alike


def both_engines(root, settings: dict) -> list[list[dict]]:
    """Rows of the local engine and of vLLM about root/x.llava.json."""
    decode(root, VISION)
    write_json(root / "base.json", describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=0, step=0))
    text = json.dumps(settings)
    result = evaluate(root, evaluate=text)
    assert result.returncode == 0, result.stderr
    files = {"checkpoint": root / "base.json", "llava": root / "x.llava.json", "frames": root / "index.json"}
    outputs = {"predictions": root / "v.jsonl", "source": root / "v.source.json"}
    more = {"system_prompt": PROMPT, "gpus": 0, "model_max_length": 2048, "evaluate": text}
    result = run_program("evaluate_vllm.py", **files, **outputs, **more)
    assert result.returncode == 0, result.stderr
    assert read_json(root / "v.source.json").get("reasoning") == settings.get("reasoning")
    return [[row for _, row in read_rows(root / name)] for name in ("p.jsonl", "v.jsonl")]


def rounded(row: dict) -> dict:
    shares = row["probabilities"]
    return row | {"probabilities": shares and {letter: round(share, DIGITS) for letter, share in shares.items()}}


def test_responses_have_room_to_reason(tmp_path):
    tasks = ("bcq", "mcq", "open_qa", "temporal_localization")
    write_tar(tmp_path / "tar", 2, tasks, rendered=True)
    (tmp_path / "media").symlink_to(tmp_path / "tar/videos")
    convert_tree(tmp_path / "tar", tmp_path, source="tar", tasks=tasks, reasoning="keep")
    (tmp_path / "train.json").rename(tmp_path / "x.llava.json")
    local, vllm = both_engines(tmp_path, {"reasoning": {"max_new_tokens": 24}, "max_new_tokens": 2})
    assert local == vllm and len(local) == 8 and all(row["with_reasoning"] for row in local)


def test_all_cameras_in_one_prompt(tmp_path):
    sample = tmp_path / "sample"
    make_sample.make_sample(TWO_CAMERAS, sample)
    convert_tree(sample, tmp_path, splits=("val",), views="together")
    (tmp_path / "val.json").rename(tmp_path / "x.llava.json")
    (tmp_path / "media").symlink_to(sample / "videos/val")
    local, vllm = both_engines(tmp_path, {"max_new_tokens": 4})
    assert [rounded(row) for row in local] == [rounded(row) for row in vllm]
    assert all(len(row["videos"]) == 2 and row["probabilities"] for row in vllm)
