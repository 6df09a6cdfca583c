"""The real vLLM (its CPU build) writes captions: the local engine's where they are greedy."""

import json

from roadtrain.data.strict_json import read_rows
from support.caption_split import DRAWN, SETTINGS, predictions, prepare_captions
from support.programs import run_program
from support.real_vllm import PROMPT, needs_vllm

pytestmark = needs_vllm


def test_vllm_writes_the_local_engines_captions(tmp_path):
    """Greedy ones token for token; drawn ones the same at each run."""
    root = prepare_captions(tmp_path)
    local = predictions(root, "local", SETTINGS)
    files = {"checkpoint": root / "base.json", "llava": root / "x.llava.json", "frames": root / "index.json"}
    common = files | {"system_prompt": PROMPT, "gpus": 0, "model_max_length": 1024}
    for name, settings in (("vllm", SETTINGS), ("drawn1", DRAWN), ("drawn2", DRAWN)):
        outputs = {"predictions": root / f"{name}.jsonl", "source": root / f"{name}.source.json"}
        result = run_program("evaluate_vllm.py", **common, **outputs, evaluate=json.dumps(settings))
        assert result.returncode == 0, result.stderr
    vllm, drawn1, drawn2 = ([row for _, row in read_rows(root / f"{n}.jsonl")] for n in ("vllm", "drawn1", "drawn2"))
    assert [row["response"] for row in vllm] == [row["response"] for row in local]
    assert drawn1 == drawn2 != vllm
