"""Run a program of scripts/ as a user does: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_program(
    program: str, *arguments: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    """scripts/<program> with arguments and options: `max_length=20` is --max-length 20, True is the flag alone, a list
    is several words. `env` is added to this process's environment."""
    words = [str(argument) for argument in arguments]
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words += map(str, value) if isinstance(value, list | tuple) else [str(value)]
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / program, *words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
