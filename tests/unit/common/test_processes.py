"""Whatever a program started can be found and ended, also what made itself a daemon or ignores being asked."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from roadtrain import processes

SCRIPTS = Path(__file__).parents[3] / "scripts"
DAEMON = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(300)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(300)"
)
# A parent that never asks for its child's exit code: the child stays a zombie while the parent lives.
CARELESS = "import subprocess, time\nchild = subprocess.Popen(['true'])\nprint('up', flush=True)\ntime.sleep(300)"
PROGRAM = f"""
import subprocess, sys, time
from roadtrain import processes
processes.adopt_orphans()
child = subprocess.Popen(["sh", "-c", sys.executable + " -c 'import time; time.sleep(300)' & wait"])
subprocess.run([sys.executable, "-c", {DAEMON!r}])
stubborn = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE)
stubborn.stdout.readline()
deadline = time.monotonic() + 20
while len(processes.descendants()) < 4 and time.monotonic() < deadline:
    time.sleep(0.05)
before = [process.pid for process in processes.descendants()]
began = time.monotonic()
processes.end_descendants(grace=1.0)
print(len(before), len(processes.descendants()), stubborn.pid in before, time.monotonic() - began < 10)
"""


def test_daemons_shells_and_stubborn_children_are_ended():
    result = subprocess.run([sys.executable, "-c", PROGRAM], cwd=SCRIPTS, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["4", "0", "True", "True"]  # shell, its sleeper, the daemon, the stubborn one


def pids_with(value: str) -> list[int]:
    return [process.pid for process in processes.with_variable("ROADTRAIN_RUN", value)]


def test_processes_are_found_from_outside_by_a_variable(tmp_path):
    mark = str(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={"ROADTRAIN_RUN": mark}, start_new_session=True
    )
    deadline = time.monotonic() + 10
    while pids_with(mark) != [child.pid] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert pids_with(mark) == [child.pid]
    assert pids_with(mark + "x") == []
    assert processes.environment_of(psutil.Process(child.pid)) == {"ROADTRAIN_RUN": mark}
    assert processes.end([psutil.Process(child.pid)], grace=5) == []  # it went when asked
    assert pids_with(mark) == []


def test_a_zombie_is_not_alive_and_not_waited_for():
    careless = subprocess.Popen([sys.executable, "-c", CARELESS], stdout=subprocess.PIPE)
    careless.stdout.readline()
    (child,) = psutil.Process(careless.pid).children()
    deadline = time.monotonic() + 10
    while processes.is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert child.status() == psutil.STATUS_ZOMBIE and child not in processes.descendants(careless.pid)
    began = time.monotonic()
    assert processes.end([child], grace=30) == [] and time.monotonic() - began < 10
    careless.kill()
    careless.wait()
    assert processes.descendants(careless.pid) == [] and processes.environment_of(child) == {}


LOCKED = """
import os, signal, threading
from roadtrain import processes
lock, told = threading.Lock(), threading.Event()
def handler(*_):
    with lock: told.set()
processes.terminate_in_thread()  # no handler yet: nothing happens
signal.signal(signal.SIGTERM, handler)
processes.terminate_in_thread()
with lock:
    os.kill(os.getpid(), signal.SIGTERM)
    assert not told.wait(0.2)
assert told.wait(20)
print("ended")
"""


def test_a_handler_may_take_a_lock_of_the_main_thread():
    command = [sys.executable, "-c", LOCKED]
    result = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=60)
    assert result.stdout == "ended\n", result.stderr
