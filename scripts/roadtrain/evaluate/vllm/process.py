"""Where vLLM runs: its own Python environment (its pins and llmcompressor's can't be in one), its settings.

`enter_vllm()` is the first thing that a program does which needs vLLM: when this Python has none, the program is started
again with the one in .venv-vllm (`make vllm`), or the one that ROADTRAIN_VLLM_PYTHON names.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from roadtrain import torchvision_cpu
from roadtrain.cli import UserError

PROJECT = Path(__file__).parents[4]
STARTUP = Path(__file__).parent / "startup"  # what every process of vLLM imports first


def enter_vllm() -> None:
    """Go on only in a Python that has vLLM. Raises UserError saying what to install."""
    if importlib.util.find_spec("vllm") is None:
        variable, python = os.environ.get("ROADTRAIN_VLLM_PYTHON"), vllm_python()
        if Path(sys.executable).absolute() == python.absolute():
            raise UserError(f"{python}: vLLM is not installed there: make vllm")
        if not python.exists():
            problem = f"ROADTRAIN_VLLM_PYTHON={variable}: no such file" if variable else "vLLM is not installed"
            raise UserError(f"{problem}: make vllm sets .venv-vllm up; with conda: envs/vllm.yaml")
        os.execv(python, [str(python), *sys.argv])
    set_environment()


def vllm_python() -> Path:
    """The Python of vLLM's environment, whether it is there or not."""
    return Path(os.environ.get("ROADTRAIN_VLLM_PYTHON") or PROJECT / ".venv-vllm/bin/python")


def set_environment(threads: int | None = None) -> None:
    """Environment variables that vLLM and the processes that it starts read. What is set already stays."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # For a CPU: GiB of the key-value cache, and threads that the system places (two jobs on one machine would be
    # bound to the same cores otherwise).
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    if threads:
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(STARTUP) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(STARTUP), *filter(None, paths)])
    torchvision_cpu.ensure()


def add_kv_cache_option(parser: argparse.ArgumentParser) -> None:
    """--kv-cache-gib, for programs that start vLLM."""
    parser.add_argument(
        "--kv-cache-gib",
        type=float,
        metavar="GIB",
        help="memory for keys and values, where others use the GPU, too (default: vLLM takes nearly all of the GPU's)",
    )
