"""`python` (or `snakemake`) of the tests: hands its words to a process that has torch and transformers imported, which forks.

Stands in for the program from its start to its end: same files, folder, environment and exit, signals are handed on, and when
this process is killed, so is the program. What Python itself would read before the first line (`python -c`, another
interpreter's variables) starts Python afresh. Beside this file is `settings.json` (support/warm_python.py writes both).
"""

import array
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zlib

# Beginnings of variables that Python or a library reads when it starts; other ones may differ from the server's.
READ_AT_THE_START = tuple(
    "PYTHON LD_ OMP_ GOMP_ KMP_ MKL_ OPENBLAS_ CUDA_ NCCL_ TORCH TRANSFORMERS_ HF_ HOME XDG_".split()
)
# The fork reads PYTHONPATH. torch sets the last in a process that compiles: in the tests' own.
READ_LATER = ("CUDA_VISIBLE_DEVICES", "PYTHONPATH", "TORCHINDUCTOR_CACHE_DIR")
MODULES = ("snakemake", "torch.distributed.run")
MOST = 4  # servers: they take some hundred MB each


def main() -> None:
    folder = os.path.dirname(os.path.abspath(sys.argv[0]))
    with open(f"{folder}/settings.json", encoding="utf-8") as stream:
        settings = json.load(stream)
    words = sys.argv[1:]
    if os.path.basename(sys.argv[0]) == "snakemake":
        words = ["-m", "snakemake", *words]
    connection = connect(folder, settings) if takes(words, settings) else None
    if connection is None:
        os.execv(settings["python"], [settings["python"], *words])
    request = json.dumps({"words": words, "cwd": os.getcwd(), "environment": dict(os.environ)}).encode() + b"\n"
    files = array.array("i", [0, 1, 2]).tobytes()
    connection.sendmsg([b"3"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
    connection.sendall(request)
    with connection.makefile() as answer:
        process = int(answer.readline())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda number, _: tell(process, number))
        status = int(answer.readline())
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def tell(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def takes(words: list[str], settings: dict) -> bool:
    """Whether a fork does what Python would do."""
    if words[:1] == ["-u"]:
        words = words[1:]
    forks = bool(words) and (words[0].endswith(".py") or (words[0] == "-m" and words[1] in MODULES))
    return (
        sys.platform == "linux"
        and forks
        and at_start(os.environ) == settings["at_start"]
        and namespaces() == settings["namespaces"]
        and not any(os.path.exists(f"{part}/sitecustomize.py") for part in os.environ.get("PYTHONPATH", "").split(":"))
    )


def namespaces() -> list[str]:
    """A node that is a network namespace of this machine has names and addresses of its own."""
    return [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "pid", "user", "uts")]


def at_start(environment) -> dict[str, str]:
    """What of an environment Python or a library reads when it starts; numbers of threads apart, of which each has a server."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_THE_START) and not name.endswith("_THREADS") and name not in READ_LATER
    }


def connect(folder: str, settings: dict) -> socket.socket | None:
    """To the server of this number of threads, which is started where there is none; None: there are enough of them."""
    threads = sorted(f"{name}={value}" for name, value in os.environ.items() if name.endswith("_THREADS"))
    path = f"{folder}/{zlib.crc32(' '.join(threads).encode()):x}"
    with open(f"{folder}/lock", "w", encoding="ascii") as lock:
        if not os.path.exists(path):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            if len([name for name in os.listdir(folder) if name.endswith(".log")]) >= MOST:
                return None
            with open(f"{path}.log", "wb") as log:
                command = [settings["python"], settings["server"], path, str(settings["owner"])]
                server = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
                )
            while not os.path.exists(path):
                if server.poll() is not None:
                    raise SystemExit(f"{path}.log: the tests' server of programs ended with {server.returncode}")
                time.sleep(0.02)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


if __name__ == "__main__":
    main()
