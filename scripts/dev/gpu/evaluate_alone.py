"""evaluate_local.py, each clip in a pass of its own, as on a CPU: what vllm_phases.py compares with."""

import runpy
from pathlib import Path

from roadtrain.evaluate import local

local.TOGETHER = 1
runpy.run_path(str(Path(__file__).parents[2] / "evaluate_local.py"), run_name="__main__")
