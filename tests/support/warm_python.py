"""Python processes that begin with torch and transformers imported: forks of one process that has nothing else.

Importing them takes 10 s of CPU time without AVX-512, more than most programs of the tests compute. A fork has this process's hash
seed; runs of the workflow (tests/support/workflow.py) start every program afresh.

    python warm_python.py SOCKET     # until its standard input ends
"""

import atexit
import contextlib
import importlib
import json
import multiprocessing.process
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

# Beginnings of variables that Python or a library reads when it starts; other ones may differ from this process's.
_READ_AT_THE_START = tuple(
    "PYTHON LD_ OMP_ GOMP_ KMP_ MKL_ OPENBLAS_ CUDA_ NCCL_ TORCH TRANSFORMERS_ HF_ HOME XDG_".split()
)


class WarmPython:
    """The forking process, and programs that it runs in this environment."""

    def __init__(self) -> None:
        self.at_start = _at_start(os.environ)
        self._folder = tempfile.TemporaryDirectory(prefix="warm")
        self._path = f"{self._folder.name}/s"
        words = [sys.executable, __file__, self._path]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while not Path(self._path).exists():
            if self._process.poll() is not None:
                raise RuntimeError(f"{__file__} ended with {self._process.returncode}")
            time.sleep(0.05)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether a program in this environment begins as one that starts afresh."""
        return self.at_start == _at_start(environment)

    def run(
        self,
        words: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        stdout: int,
        stderr: int,
        timeout: float | None,
    ) -> int:
        """words[0] is a program, `stdout` and `stderr` are open files. The exit status, negative: the signal that ended it. Raises
        subprocess.TimeoutExpired after `timeout` seconds; the program is killed then."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._path)
            socket.send_fds(connection, [b"2"], [stdout, stderr])
            request = {"words": list(words), "cwd": str(cwd), "environment": dict(environment)}
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile() as answer:
                process = int(answer.readline())
                connection.settimeout(timeout)
                try:
                    return int(answer.readline())
                except TimeoutError:
                    os.kill(process, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(words), timeout or 0.0) from None


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_THE_START)}


def _serve(path: str) -> None:
    kept = _import_libraries()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen()
    os.rename(f"{path}.new", path)  # there it answers
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [], 1.0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if sys.stdin in ready:
            return kept.clear()
        if listener in ready:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection)
                os._exit(0)
            connection.close()


def _import_libraries() -> dict[str, ModuleType]:
    """torch and transformers; none of this project's modules stays: a program may be that of a copy. They are what comes back: one
    declares operators for as long as it lives."""
    sys.path[0] = str(Path(__file__).parents[2] / "scripts")
    importlib.import_module("roadtrain.torchvision_cpu").ensure()  # torch, too
    transformers = importlib.import_module("transformers")
    for name in ("AutoProcessor", "AutoVideoProcessor", "Qwen3VLForConditionalGeneration"):
        getattr(transformers, name)  # imports it
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "roadtrain"}


def _answer(connection: socket.socket) -> None:
    _, files, _, _ = socket.recv_fds(connection, 1, 2)
    with connection.makefile() as lines:
        request = json.loads(lines.readline())
    if (child := os.fork()) == 0:
        connection.close()
        os._exit(_run(request, files))
    connection.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _run(request: dict, files: Sequence[int]) -> int:
    """What Python does with a program, from its first line to its exit."""
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    multiprocessing.process.ORIGINAL_DIR = os.getcwd()  # below which processes that it spawns look for it
    sys.argv = request["words"]
    sys.path[0] = str(Path(sys.argv[0]).absolute().parent)
    random.seed()
    status = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if not isinstance(stop.code, int | None):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status


if __name__ == "__main__":
    _serve(sys.argv[1])
