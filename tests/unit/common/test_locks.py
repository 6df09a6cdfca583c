"""A lock is one process's at a time; who waits is told for whom, and a process that ends leaves it free."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roadtrain import locks
from roadtrain.cli import UserError

SCRIPTS = str(Path(__file__).parents[3] / "scripts")
PRECIOUS = "what nobody may overwrite\n"
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


def plant_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def plant_second_name(path: Path, victim: Path) -> None:
    os.link(victim, path)


def plant_pipe(path: Path, victim: Path) -> None:
    os.mkfifo(path)


def plant_folder(path: Path, victim: Path) -> None:
    path.mkdir()


def plant_moved(path: Path, victim: Path) -> None:
    """A second name whose first is gone by the time that names are counted."""
    plant_second_name(path, victim)
    victim.unlink()


@pytest.mark.parametrize("plant", [plant_link, plant_second_name, plant_pipe, plant_folder, plant_moved])
def test_what_somebody_planted_is_no_lock(tmp_path, plant):
    """The holder's number is written into a lock file: through a link it would overwrite a victim's file."""
    victim = tmp_path / "victim"
    victim.write_text(PRECIOUS)
    plant(tmp_path / "lock", victim)
    with pytest.raises(UserError, match=f"{tmp_path}/lock: a lock file must be a regular file"):
        locks.open_file(tmp_path / "lock")
    with pytest.raises(UserError), locks.alone(tmp_path / "lock", waiting=print, needed=False):
        pass
    assert (victim if victim.exists() else tmp_path / "lock").read_text() == PRECIOUS
