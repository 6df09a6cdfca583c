"""Threads sleep while they wait. libgomp itself tells what it read (OMP_DISPLAY_ENV); the programs' own tests ask it too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SLEEPS = "OMP_WAIT_POLICY = 'PASSIVE'"
SCRIPTS = Path(__file__).parents[1] / "scripts"
PROGRAM = "from roadtrain import openmp; openmp.sleep_while_waiting(); import torch"


@pytest.mark.parametrize("given, shown", [({}, SLEEPS), ({"OMP_WAIT_POLICY": "ACTIVE"}, "OMP_WAIT_POLICY = 'ACTIVE'")])
def test_threads_sleep_unless_the_user_says_otherwise(given, shown):
    env = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"} | given
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=SCRIPTS, env=env | {"OMP_DISPLAY_ENV": "TRUE"}, capture_output=True, text=True, check=True
    )
    assert shown in done.stderr
