"""A server that a program starts for itself and ends again, however it ends. It listens on this machine only."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from roadtrain.cli import UserError
from roadtrain.deploy import supervisor
from roadtrain.deploy.client import Client

HOST = "127.0.0.1"
START = 1800.0  # seconds in which it must be there: it loads a model, and compiles it
GRACE = 20.0  # seconds in which it may end by itself
NOT_ITS = ("VLLM_API_KEY",)  # who has a key for another server doesn't mean this one


def any_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def own_server(command: Sequence[str], port: int, start: float = START, grace: float = GRACE) -> Iterator["OwnServer"]:
    """`command`: arguments of this Python; the server it starts listens on `port`. What it prints goes to this program's stderr.
    Raises UserError when it ends, or isn't there after `start` seconds."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_ITS}
    words = [sys.executable, supervisor.__file__, str(os.getpid()), str(grace), *command]
    process = subprocess.Popen(words, stdout=sys.stderr, env=environment)
    try:
        server = OwnServer(process, f"http://{HOST}:{port}")
        server.wait(start)
        yield server
    finally:
        process.terminate()
        process.wait()


class OwnServer:
    """One that runs, or ran."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process, self.url = process, url

    def wait(self, seconds: float) -> None:
        """Until it answers. Raises UserError."""
        client, deadline = Client(self.url), time.monotonic() + seconds
        while client.healthy() is None:
            self.check()
            if time.monotonic() > deadline:
                raise UserError(f"the server that was started doesn't answer at {self.url} after {seconds:.0f} s")
            time.sleep(0.5)

    def check(self) -> None:
        """Raises UserError when it has ended."""
        if (code := self._process.poll()) is not None:
            raise UserError(f"the server that was started ended with exit code {code}; its last words stand above")
