"""Python processes that begin with torch, transformers and Snakemake imported: forks of one process that has nothing else.

Importing them takes 10 s of CPU time without AVX-512, more than most programs of the tests compute. `install` makes a folder whose
`python` and `snakemake` ask for such a fork (support/warm_client.py). A fork has the hash seed of the process that it comes from.

    python warm_python.py SOCKET OWNER     # until the process OWNER ends, or the socket's folder is deleted
"""

import atexit
import contextlib
import gc
import importlib
import json
import multiprocessing.process
import os
import random
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType


def install(folder: Path) -> None:
    """`python` and `snakemake` in `folder`, for this process and those that it starts."""
    from support import warm_client

    settings = {
        "python": sys.executable,
        "server": __file__,
        "owner": os.getpid(),
        "at_start": warm_client.at_start(os.environ),
        "namespaces": warm_client.namespaces() if sys.platform == "linux" else [],
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    program = f"#!{sys._base_executable} -IS\n{Path(warm_client.__file__).read_text(encoding='utf-8')}"
    for name in ("python", "python3", "snakemake"):
        (folder / name).write_text(program, encoding="utf-8")
        (folder / name).chmod(0o755)


def _serve(path: str, owner: int) -> None:
    kept = _import_libraries()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)  # there it answers
    while os.path.exists(path) and os.path.exists(f"/proc/{owner}"):
        ready, _, _ = select.select([listener], [], [], 1.0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if ready:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection, os.path.dirname(path))
                os._exit(0)
            connection.close()
    kept.clear()


def _import_libraries() -> dict[str, ModuleType]:
    """None of this project's modules stays: a program may be that of a copy. They are what comes back: one declares
    operators for as long as it lives."""
    sys.path[0] = str(Path(__file__).parents[2] / "scripts")
    importlib.import_module("roadtrain.torchvision_cpu").ensure()  # torch, too
    transformers = importlib.import_module("transformers")
    for name in ("AutoProcessor", "AutoVideoProcessor", "Qwen3VLForConditionalGeneration"):
        getattr(transformers, name)  # imports it
    for name in ("snakemake.cli", "pydantic", "yaml", "jinja2", "scipy.stats"):
        importlib.import_module(name)
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "roadtrain"}


def _answer(connection: socket.socket, folder: str) -> None:
    """One program, from its request to its exit status. It ends when who asked for it does."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile() as lines:
        request = json.loads(lines.readline())
    if (child := os.fork()) == 0:
        connection.close()
        os._exit(_run(request, files, folder))
    for file in files:
        os.close(file)
    connection.sendall(f"{child}\n".encode())
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _run(request: dict, files: Sequence[int], folder: str) -> int:
    """What Python does with a program, from its first line to its exit."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    multiprocessing.process.ORIGINAL_DIR = os.getcwd()  # below which processes that it spawns look for it
    sys.path[1:1] = [os.path.abspath(part) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.executable = f"{folder}/python"  # what it starts is forked, too
    words = request["words"]
    if words[0] == "-u":
        words = words[1:]
        sys.stdout.reconfigure(write_through=True)
    random.seed()
    status = 0
    try:
        if words[0] == "-m":
            sys.argv, sys.path[0] = words[1:], os.getcwd()
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = words, str(Path(words[0]).absolute().parent)
            runpy.run_path(words[0], run_name="__main__")
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
    return status & 0xFF


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
