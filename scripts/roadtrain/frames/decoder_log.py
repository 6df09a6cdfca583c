"""What FFmpeg writes to the error stream: the only place where decord's decoder says what is wrong with a video."""

import os
import re
import tempfile
from typing import Self

_FFMPEG = re.compile(r"^\[[^\]]+ @ 0x[0-9a-f]+\] (.+)$", re.MULTILINE)
# "[02:51:57] /path/video_reader.cc:151: Check failed: st_nb >= 0 (-13 vs. 0) " before decord's own words
_PLACE = re.compile(r"^\[\d\d:\d\d:\d\d\] \S+: (Error: )?(Check failed: .*?\) )?(ERROR )?")


class DecoderLog:
    """Catches what is written to file descriptor 2 while it is entered."""

    def __enter__(self) -> Self:
        self._file, self._stderr = tempfile.TemporaryFile(), os.dup(2)
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, *_: object) -> None:
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._file.close()

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def lines(self) -> list[str]:
        """What FFmpeg said, without addresses: at most the last 64 KiB."""
        size = self.size
        text = os.pread(self._file.fileno(), 1 << 16, max(0, size - (1 << 16))).decode(errors="replace")
        return [line.strip() for line in _FFMPEG.findall(text)]

    def reason(self, error: Exception) -> str:
        """One line that says why: FFmpeg's last, or else decord's, without addresses, times and places in C++."""
        complaints = self.lines()
        message = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return "unreadable: " + (complaints[-1] if complaints else _PLACE.sub("", message))
