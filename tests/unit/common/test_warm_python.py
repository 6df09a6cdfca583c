"""The tests' own start of programs does what Python's does."""

import subprocess
import sys

import pytest

from support.programs import run_python, warm_python

PROGRAM = """
import atexit, multiprocessing, os, sys, threading, time

def child(): print("child", flush=True)

if __name__ == "__main__":
    atexit.register(print, "at exit")
    near_the_end = threading.Event()
    threading.Thread(target=lambda: (near_the_end.wait(), time.sleep(0.2), print("thread"))).start()
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start(); process.join()
    print(sys.argv[1:], os.getcwd(), os.environ.get("WORD"), sys.path[0], sys.stdin.read(), "torch" in sys.modules)
    print("to stderr", file=sys.stderr)
    near_the_end.set()
    match sys.argv[1]:
        case "exits": sys.exit(3)
        case "says": sys.exit("why")
        case "raises": raise ValueError("this")
        case "dies": os.kill(os.getpid(), 9)
        case "sleeps": time.sleep(60)
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("word", ["ends", "exits", "says", "raises", "dies"])
def test_a_warm_program_ends_as_one_that_starts_afresh(program, word, monkeypatch):
    monkeypatch.setenv("WORD", "value")
    warm = run_python("scripts/program.py", word, "two words", cwd=program)
    words = [sys.executable, "scripts/program.py", word, "two words"]
    cold = subprocess.run(words, cwd=program, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert warm.returncode == cold.returncode
    assert warm.stdout.replace("True", "False") == cold.stdout  # torch is there already
    assert (
        warm.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:] and word != "dies" or "True" not in cold.stdout
    )


def test_a_warm_program_has_its_time(program):
    with pytest.raises(subprocess.TimeoutExpired):
        run_python("scripts/program.py", "sleeps", cwd=program, timeout=2)


def test_variables_that_are_read_at_the_start_make_a_program_start_afresh(program):
    assert warm_python().fits({"PATH": "/elsewhere"} | warm_python().at_start)
    assert not warm_python().fits(warm_python().at_start | {"OMP_NUM_THREADS": "7"})
    assert run_python("scripts/program.py", "ends", cwd=program, env={"OMP_NUM_THREADS": "7"}).stdout.endswith(
        "False\nthread\nat exit\n"
    )
