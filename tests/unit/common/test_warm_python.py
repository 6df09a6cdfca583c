"""The tests' own start of programs does what Python's does."""

import signal
import subprocess

import psutil
import pytest

from support.programs import python, run_python

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
        case "sleeps": print(os.getpid(), flush=True); time.sleep(60)
"""

TEXTS = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture
def program(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/program.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("word", ["ends", "exits", "says", "raises", "dies"])
def test_a_warm_program_ends_as_one_that_starts_afresh(program, word, monkeypatch):
    monkeypatch.setenv("WORD", "value")
    warm, cold = (
        subprocess.run([python(afresh), "scripts/program.py", word, "two words"], input="read", **TEXTS, cwd=program)
        for afresh in (False, True)
    )
    assert warm.returncode == cold.returncode
    assert warm.stdout.replace("True", "False") == cold.stdout  # torch is there already
    assert warm.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]
    assert "True" in warm.stdout


def test_a_warm_program_has_its_time(program):
    with pytest.raises(subprocess.TimeoutExpired):
        run_python("scripts/program.py", "sleeps", cwd=program, timeout=2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_ends_a_process_ends_its_program(program, number):
    with subprocess.Popen([python(), "scripts/program.py", "sleeps"], **TEXTS, cwd=program) as process:
        while not (line := process.stdout.readline()).strip().isdecimal():
            pass
        program = psutil.Process(int(line))
        process.send_signal(number)
        assert process.wait(20) == -number
        psutil.wait_procs([program], timeout=20)
        assert not program.is_running()


def test_what_a_warm_program_starts_is_warm(program):
    (program / "starts.py").write_text(
        "import subprocess, sys; subprocess.run([sys.executable, 'scripts/program.py', 'ends'], stdin=subprocess.DEVNULL)"
    )
    assert "True\nthread" in run_python("starts.py", cwd=program).stdout
    assert "False\nthread" in subprocess.run([python(True), "starts.py"], **TEXTS, cwd=program).stdout


def test_variables_that_are_read_at_the_start_make_a_program_start_afresh(program):
    later = {"WORD": "", "CUDA_VISIBLE_DEVICES": "", "TORCHINDUCTOR_CACHE_DIR": str(program), "OMP_NUM_THREADS": "2"}
    assert "True" in run_python("scripts/program.py", "ends", cwd=program, env=later).stdout
    assert "True" not in run_python("scripts/program.py", "ends", cwd=program, env={"LD_PRELOAD": ""}).stdout


def test_in_a_namespace_of_its_own_a_program_starts_afresh(program):
    command = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("no namespaces may be made here")
    words = [*command, python(), "scripts/program.py", "ends"]
    said = subprocess.run(words, **TEXTS, stdin=subprocess.DEVNULL, cwd=program).stdout
    assert "True" not in said and "at exit" in said


def test_a_warm_program_finds_modules_by_its_pythonpath(program):
    (program / "elsewhere").mkdir()
    (program / "elsewhere/ours.py").write_text("print(__name__)")
    (program / "imports.py").write_text("import sys, ours; print('torch' in sys.modules)")
    assert run_python("imports.py", cwd=program, env={"PYTHONPATH": "elsewhere"}).stdout == "ours\nTrue\n"
