"""Run a program of scripts/ as a user does: in a process of its own."""

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from support.warm_python import WarmPython

ROOT = Path(__file__).parents[2]


def run_python(
    *words: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """This Python with `words`, to its end, well or not. `env` is added to this process's environment. A program
    doesn't import torch afresh unless a variable says how."""
    words = tuple(map(str, words))
    environment = {**os.environ, **(env or {})}
    if words[0].endswith(".py") and warm_python().fits(environment):
        return _run_warm(words, cwd, environment, timeout)
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@functools.cache
def warm_python() -> WarmPython:
    return WarmPython()


def _run_warm(
    words: tuple[str, ...], cwd: Path, environment: Mapping[str, str], timeout: float | None
) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        status = warm_python().run(words, cwd, environment, stdout.fileno(), stderr.fileno(), timeout)
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode().replace("\r\n", "\n").replace("\r", "\n"))  # as subprocess's text
        return subprocess.CompletedProcess([sys.executable, *words], status, *texts)


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
