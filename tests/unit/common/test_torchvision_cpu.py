"""torchvision imports beside any build of torch, in a fresh process, in either order."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = str(Path(__file__).parents[3] / "scripts")
ENSURE = f"import sys; sys.path.insert(0, {SCRIPTS!r}); from roadtrain import torchvision_cpu as t; t.ensure()"


@pytest.mark.parametrize(
    "code",
    [
        f"{ENSURE}; from torchvision.transforms import functional",
        f"{ENSURE}; t.ensure(); import qwen_vl_utils, torchvision; t.ensure()",
        f"{ENSURE}; from transformers import AutoProcessor, Qwen3VLVideoProcessor",
    ],
    ids=["transforms", "twice", "transformers"],
)
def test_torchvision_imports(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_missing_operators_still_fail_loudly():
    """Declared, not faked: on a CPU-only torch nms has no kernel."""
    code = f"{ENSURE}; import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    import torch

    if torch.version.cuda is None:
        assert result.returncode != 0 and "nms" in result.stderr
