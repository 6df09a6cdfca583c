"""A lock is one process's at a time; who waits is told for whom, and a process that ends leaves it free."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from roadtrain import locks

SCRIPTS = str(Path(__file__).parents[3] / "scripts")
HOLD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from roadtrain import locks
with locks.alone_in(Path(sys.argv[2])):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_one_process_works_in_a_folder_and_the_next_says_that_it_waits(tmp_path):
    folder = tmp_path / "weights"
    command = [sys.executable, "-c", HOLD, SCRIPTS, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command, **pipes)
    assert first.stdout.readline() == "locked\n"
    second = subprocess.Popen(command, **pipes)
    assert second.stderr.readline() == f"{folder}: process {first.pid} is training here; waiting for it\n"
    first.kill()
    assert second.stdout.readline() == "locked\n"
    assert (folder / ".lock").read_text() == f"{second.pid}\n"
    second.communicate("\n")
    assert second.returncode == 0
    first.communicate()
    with locks.alone_in(folder):  # in this process, without a word
        pass


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="no locks"), locks.alone(tmp_path / "a"):
        pass
    with locks.alone(tmp_path / "a", needed=False):
        assert (tmp_path / "a").read_bytes() == b""
    assert locks.hold_snakemake(tmp_path) is None
