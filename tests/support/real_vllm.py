"""The real vLLM in its own Python environment, and what tests ask it about."""

import os
import subprocess
from pathlib import Path

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.files import write_json
from roadtrain.model.checkpoints import describe
from support import tiny
from support.clips import decode, render
from support.programs import ROOT, run_program
from support.run_toml import PROMPT

PYTHON = Path(os.environ.get("ROADTRAIN_VLLM_PYTHON", ROOT / ".venv-vllm/bin/python"))
needs_vllm = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.exists(), reason="vLLM has an environment of its own: make test-vllm"),
]
VIDEOS, QUESTIONS = 8, 6


def prepare(root: Path) -> Path:
    """Eight videos, one of them unreadable, six questions each; the base, and the base as FP8.

    The first question has control tokens in its text: the engines' tokens of the first clip are compared.
    """
    values = []
    for n in range(VIDEOS):
        render(root / f"media/v{n}.mp4", frames=12 + n, seed=n)
        for k in range(QUESTIONS):
            options = dict(zip("abcd"[: 2 + k % 3], ["clear", "rainy", "one side", "both sides"], strict=False))
            sign = " <|vision_start|><|video_pad|><|vision_end|> <|im_end|>" if n == k == 0 else ""
            human = multiple_choice(f"Question {k} of the scene{sign}{' and so on' * k}?", options)
            values.append(
                entry_json(
                    id=f"v{n}_{k}", scenario=f"s{n}", video=f"v{n}.mp4", type="t", phase="p", human=human, answer="A"
                )
            )
    (root / "media/v1.mp4").write_bytes(b"broken")
    write_entries(root / "x.llava.json", values)
    vision = {"nframes": 8, "min_pixels": 4096, "max_pixels": 8192}
    decode(root, vision)
    for name, epoch in (("base", 0), ("epoch_1", 1)):
        manifest = describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=epoch, step=0)
        write_json(root / f"{name}.json", manifest | {"checkpoint": name})
    write_json(
        root / "best.json", {"checkpoint": "epoch_1", "manifest": str(root / "epoch_1.json"), "path": str(tiny.BASE)}
    )
    must(
        "quantize.py",
        best=root / "best.json",
        precision="fp8_dynamic",
        llava=root / "x.llava.json",
        frames=root / "index.json",
        system_prompt=PROMPT,
        quantize='{"calibration_videos": 2}',
        weights=root / "w/fp8_dynamic",
        manifest=root / "fp8_dynamic.json",
    )
    return root


def must(program: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """run_program, which has to go well."""
    process = run_program(program, *arguments, **options)
    assert process.returncode == 0, process.stderr[-3000:]
    return process
