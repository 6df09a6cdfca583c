"""Run a program of scripts/ as a user does: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
WARM = "ROADTRAIN_WARM_PYTHON"  # the folder of conftest.py's `python`, whose programs don't import torch afresh


def python(afresh: bool = False) -> str:
    """The Python that runs these tests; `afresh`: one that imports everything itself."""
    return sys.executable if afresh else f"{os.environ[WARM]}/python"


def tools() -> dict[str, str]:
    """This environment with PATH's first programs: the same Python, Snakemake and what else is installed with it."""
    path = [os.environ[WARM], str(Path(sys.executable).parent), os.environ["PATH"]]
    return os.environ | {"PATH": os.pathsep.join(path)}


def run_python(
    *words: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """This Python with `words`, to its end, well or not. `env` is added to this process's environment."""
    return subprocess.run(
        [python(), *map(str, words)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run_program(
    program: str, *arguments: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """scripts/<program> with arguments and options: `max_length=20` is --max-length 20, True is the flag alone, a list
    is several words."""
    words: list[object] = [ROOT / "scripts" / program, *arguments]
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += value if isinstance(value, list | tuple) else [value]
    return run_python(*words, cwd=cwd, env=env)
