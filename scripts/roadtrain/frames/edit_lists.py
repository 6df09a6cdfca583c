"""Edit lists of MP4 and MOV that a player follows and FFmpeg does not (ISO 14496-12, 8.6.6).

FFmpeg begins where an edit list begins and hides what it hides. It plays all at one speed, knows no pause, and where one
piece ends and the next begins it loses up to three pictures: from there on other moments would be shown than are claimed.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

EMPTY = -1  # the media time of an edit that shows nothing
NORMAL = 1 << 16  # 1.0, the speed of an edit
REMEDY = "encode it anew (ffmpeg -i IN.mp4 OUT.mp4)"
Place = tuple[int, int]  # where something begins and ends in the file


def edit_list_fault(path: str | Path, track: int) -> str | None:
    """What of a track's edit list can't be followed; None when all of it can. `track`: its number in the file, which FFmpeg
    gives as the stream's id."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        for moov in _boxes(stream, (0, size), b"moov"):
            for trak in _boxes(stream, moov, b"trak"):
                if _number(stream, trak) == track:
                    return _fault(_edits(stream, trak))
    return None


def _fault(edits: list[tuple[int, int]]) -> str | None:
    pieces = [n for n, (time, _) in enumerate(edits) if time != EMPTY]
    if any(edits[n][1] != NORMAL for n in pieces):
        return f"its edit list plays it at another speed: {REMEDY}"
    if len(pieces) > 1:
        return f"its edit list shows {len(pieces)} pieces of it one after the other: {REMEDY}"
    if pieces and len(edits) > pieces[-1] + 1:
        return f"its edit list ends with a pause, in which FFmpeg shows pictures: {REMEDY}"
    return None


def _boxes(stream: IO[bytes], place: Place, kind: bytes) -> Iterator[Place]:
    """Contents of the boxes of a kind that lie in a place of the file; one of an impossible size ends them."""
    at, end = place
    while at + 8 <= end:
        stream.seek(at)
        size, name = struct.unpack(">I4s", stream.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(stream.read(8), "big"), 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            return
        if name == kind:
            yield at + head, at + size
        at += size


def _number(stream: IO[bytes], trak: Place) -> int | None:
    for begin, end in _boxes(stream, trak, b"tkhd"):
        stream.seek(begin)
        head = stream.read(min(24, end - begin))
        at = 20 if head[:1] == b"\1" else 12  # behind version, flags and two times of 8 or 4 bytes
        return int.from_bytes(head[at : at + 4], "big")
    return None


def _edits(stream: IO[bytes], trak: Place) -> list[tuple[int, int]]:
    """(media time, speed in 65536ths) each."""
    for edts in _boxes(stream, trak, b"edts"):
        for begin, end in _boxes(stream, edts, b"elst"):
            stream.seek(begin)
            content = stream.read(end - begin)
            one = struct.Struct(">QqI" if content[:1] == b"\1" else ">IiI")
            count = min(int.from_bytes(content[4:8], "big"), (len(content) - 8) // one.size)
            return [one.unpack_from(content, 8 + n * one.size)[1:] for n in range(count)]
    return []
