"""HTTP whose waiting has an end: a server that sends a byte now and then is waited for no longer than one that sends nothing.

Python's `timeout` is for one read of a socket, and of a word that never gets whole there is always another read. Here every read of
a word has what is left of the word's time.
"""

import contextlib
import http.client
import io
import socket
import time
import urllib.request
from typing import Any

PIECE = 1 << 16  # bytes of a request that are sent between two looks at the clock


class Late(TimeoutError):
    """What of a server didn't come whole, or wasn't taken, in its time, in words."""


class Waiting(io.RawIOBase):
    """A socket's bytes, until the time of a word is over. A read then raises Late."""

    def __init__(self, raw: io.RawIOBase, connected: socket.socket, seconds: float | None) -> None:
        self._raw, self._socket, self._seconds = raw, connected, seconds
        self.begin("status line")

    def begin(self, word: str) -> None:
        """What is read from here on is `word`: it has its own time."""
        self._word, self._since = word, time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._seconds is None:
            return self._raw.readinto(buffer)
        try:
            self._socket.settimeout(_left(self._since, self._seconds))
            return self._raw.readinto(buffer)
        except TimeoutError:
            raise Late(f"no whole {self._word} in {self._seconds:g} s") from None

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError):  # a proxy's answer is over, and the socket is used on
                self._socket.settimeout(self._seconds)
            self._raw.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """One that is read by `waiting`."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw = self.fp.detach()
        self.waiting = Waiting(raw, sock, sock.gettimeout())
        self.fp = io.BufferedReader(self.waiting)


class _Connection(http.client.HTTPConnection):
    """Sends a request in one time, too, however slowly it is taken; and has answers that are read in time."""

    response_class = Answer

    def send(self, data: Any) -> None:
        if not self.sock:
            self.connect()
        if self.timeout is None:
            return super().send(data)
        since = time.monotonic()
        try:
            for start in range(0, len(data), PIECE):
                self.sock.settimeout(_left(since, self.timeout))
                super().send(data[start : start + PIECE])
        except TimeoutError:
            raise Late(f"took no whole request in {self.timeout:g} s") from None
        self.sock.settimeout(self.timeout)


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS."""


class HttpByDeadline(urllib.request.HTTPHandler):
    """urllib's, with these connections."""

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_Connection, request)


class HttpsByDeadline(urllib.request.HTTPSHandler):
    """The same over TLS."""

    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_SecureConnection, request)


def _left(since: float, seconds: float) -> float:
    """Raises TimeoutError when nothing is."""
    left = since + seconds - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
