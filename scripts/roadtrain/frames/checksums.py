"""Checksums that a container has of its pictures: the only way to see a changed byte that is as valid as the one before.

Matroska and WebM (RFC 8794, 11.3.1): an element's first child may be the CRC-32 of all that follows in it. FFmpeg writes one in
every cluster, OBS and HandBrake by it. Other containers have none of pictures.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from roadtrain.workers import report_progress

EBML, SEGMENT, CRC32 = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\xbf"
CRC_SIZE = 6  # bytes: name, size and four of the sum
PIECE = 1 << 20  # bytes that are read at once


def damaged_ranges(path: str | Path) -> list[tuple[int, int]]:
    """(first byte, byte after the last) of every element of a Matroska file whose checksum says that it was changed. [] for other
    files, and where there are no checksums."""
    with open(path, "rb") as stream:
        if stream.read(4) != EBML:
            return []
        stream.seek(0)
        end = os.fstat(stream.fileno()).st_size
        ranges, place, has_checksums = [], 0, False
        for begin, place in _elements(stream, end):
            stored = _checksum(stream, begin, place)
            has_checksums = has_checksums or stored is not None
            if stored is not None and stored != _computed(stream, begin + CRC_SIZE, place):
                ranges.append((begin, place))
        # Where sizes lead nowhere an element's head was changed, and what follows can't be compared.
        return [*ranges, (place, end)] if has_checksums and place < end else ranges


def _elements(stream: IO[bytes], end: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of the data of each element in a segment, as far as sizes lead."""
    place = 0
    while place < end:
        report_progress()
        stream.seek(place)
        if (head := _head(stream)) is None:
            return
        name, size = head
        begin = stream.tell()
        if name == SEGMENT:
            place = begin  # its children follow; its end is the file's
            continue
        if size is None or begin + size > end:
            return  # of unknown size, as live streams have them, or not whole
        yield begin, begin + size
        place = begin + size


def _head(stream: IO[bytes]) -> tuple[bytes, int | None] | None:
    """(name, size) of the element that begins here; a size of None isn't known. None: no element begins here."""
    first = stream.read(1)
    if not first or not first[0] >> 4:  # names have up to four bytes
        return None
    name = first + stream.read(8 - first[0].bit_length())
    length = stream.read(1)
    if not length or not length[0]:
        return None
    more = 8 - length[0].bit_length()
    value = int.from_bytes(bytes([length[0] & (1 << 7 - more) - 1]) + stream.read(more), "big")
    return name, None if value == (1 << 7 * (more + 1)) - 1 else value


def _checksum(stream: IO[bytes], begin: int, end: int) -> int | None:
    """The checksum that an element begins with, None where it has none."""
    stream.seek(begin)
    head = stream.read(CRC_SIZE)
    return int.from_bytes(head[2:], "little") if head[:2] == CRC32 + b"\x84" and end - begin >= CRC_SIZE else None


def _computed(stream: IO[bytes], begin: int, end: int) -> int:
    stream.seek(begin)
    checksum, left = 0, end - begin
    while left > 0 and (piece := stream.read(min(PIECE, left))):
        report_progress()
        checksum = zlib.crc32(piece, checksum)
        left -= len(piece)
    return checksum
