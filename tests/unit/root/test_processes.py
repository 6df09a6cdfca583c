"""Whatever a program started can be found and ended, also what made itself a daemon or ignores being asked."""

import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).parents[3] / "scripts"
DAEMON = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(300)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(300)"
)
PROGRAM = f"""
import subprocess, sys, time
from roadtrain import processes as tree
tree.adopt_orphans()
child = subprocess.Popen(["sh", "-c", sys.executable + " -c 'import time; time.sleep(300)' & wait"])
subprocess.run([sys.executable, "-c", {DAEMON!r}])
stubborn = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], stdout=subprocess.PIPE)
stubborn.stdout.readline()
deadline = time.monotonic() + 20
while len(tree.descendants()) < 4 and time.monotonic() < deadline:
    time.sleep(0.05)
before = tree.descendants()
began = time.monotonic()
tree.end_descendants(grace=1.0)
print(len(before), len(tree.descendants()), stubborn.pid in before, time.monotonic() - began < 10)
"""


def test_daemons_shells_and_stubborn_children_are_ended():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=SCRIPTS, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["4", "0", "True", "True"]  # shell, its sleeper, the daemon, the stubborn one


def test_marked_processes_are_found_from_outside(tmp_path):
    from roadtrain import processes as process_tree

    mark = str(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={"ROADTRAIN_RUN": mark}, start_new_session=True
    )
    deadline = time.monotonic() + 10
    while process_tree.marked("ROADTRAIN_RUN", mark) != [child.pid] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process_tree.marked("ROADTRAIN_RUN", mark) == [child.pid]
    assert process_tree.marked("ROADTRAIN_RUN", mark + "x") == []
    assert process_tree.end([child.pid], grace=5) == []  # it went when asked
    assert process_tree.marked("ROADTRAIN_RUN", mark) == []
