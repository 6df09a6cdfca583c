"""How a program gets into vLLM's Python, and what vLLM's processes import first. No vLLM needed."""

import os
import subprocess
import sys

import pytest

from support.programs import ROOT, run_python


def start(code: str, **env: str) -> subprocess.CompletedProcess:
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); from roadtrain import cli; from roadtrain.evaluate.vllm import process as v; {code}"
    return run_python("-c", code, env=env)


@pytest.mark.skipif("vllm" in sys.modules, reason="this Python has vLLM")
def test_without_vllm_it_says_what_to_do():
    process = start("cli.main(v.enter_vllm)()", ROADTRAIN_VLLM_PYTHON="/no/such/python")
    assert (
        process.returncode == 1 and "/no/such/python: no such file" in process.stderr and "make vllm" in process.stderr
    )
    assert "Traceback" not in process.stderr


def test_it_starts_again_in_the_python_that_is_named(tmp_path):
    """With the same words; a stand-in says which."""
    python = tmp_path / "python"
    python.write_text('#!/bin/bash\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    process = start("sys.argv[:] = ['x.py', '--a', 'b c']; v.enter_vllm()", ROADTRAIN_VLLM_PYTHON=str(python))
    assert process.stdout == "x.py|--a|b c|"


def test_processes_of_vllm_can_import_torchvision():
    """They get no code of ours but their PYTHONPATH, which keeps what was on it."""
    code = (
        "import os, subprocess; v.set_environment(2); subprocess.run([sys.executable, '-c', "
        "'from torchvision.transforms import functional; import os; print(os.environ[\"PYTHONPATH\"])'], check=True)"
    )
    process = start(code, PYTHONPATH="/some/where")
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip().endswith(f"startup{os.pathsep}/some/where")


def test_what_is_set_already_stays():
    process = start(
        "import os; v.set_environment(2); print(os.environ['OMP_NUM_THREADS'], os.environ['VLLM_CPU_KVCACHE_SPACE'])",
        OMP_NUM_THREADS="7",
    )
    assert process.stdout.split() == ["7", "1"]
