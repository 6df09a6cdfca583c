"""When each picture of a video is shown: from the packets of its file, without decoding one.

A player shows the pictures in the order of their times, leaves out what an edit list hides, and begins its clock where
the file begins. Frame numbers are places in that order. Where the rate is constant a number gives the time; where it
varies, frame n of a model's arithmetic is what a player shows at the time n / fps (`Timeline.picture_at`).
"""

import contextlib
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from roadtrain.frames.containers import LATE, Unreadable, broken_off, faults, moving_streams, pixels_of, words
from roadtrain.frames.sampling import unevenness
from roadtrain.workers import report_progress

UNTIMED = ("avi", "h264", "hevc", "m4v", "mpegvideo")  # these store no times: the order of pictures is all there is
PROMISING = ("mov", "matroska", "avi", "asf", "flv", "gif")  # their headers say how long they are
SEEKABLE = ("mov", "matroska")  # an index leads to key frames
FIELD_BY_FIELD = ("mpegts", "mpeg", "h264")  # a packet of H.264 may be half a picture, one field
FIELDS = 48  # packets that are looked at to see it
END = 1.0  # seconds that may be missing at the end: headers round, and sound may be longer than pictures


@dataclass
class Packets:
    """Of the stream that is read, in the order of the file."""

    positions: list[int] = field(default_factory=list)  # in the file; -1: not known
    pts: list[int] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    key: list[bool] = field(default_factory=list)
    visible: list[bool] = field(default_factory=list)
    length: int = 0  # of the last one, ticks
    timed: bool = True
    all_frames: int = 0
    end: float = 0.0  # seconds: where the last packet of any stream ends
    first: float = 0.0  # seconds: the first of any stream


@dataclass(frozen=True)
class Timeline:
    """The pictures of a video as a player shows them."""

    frames: int
    fps: float  # average
    variable: bool  # numbers of frames don't give times
    begin: float  # seconds on the player's clock when the first picture is shown
    # int64 [frames], ticks, not falling: of equal ones a player shows the last. Without times of the file: places.
    times: np.ndarray
    tick: float  # seconds
    timed: bool  # the decoder gives pictures these times
    packet_of: np.ndarray  # int64 [frames]: places of their packets in the file
    group_of: np.ndarray  # int64 [packets]: which key frame they follow in the file
    late: np.ndarray  # bool [packets]: follows a key frame in the file and is shown before it
    jumps: dict[int, int]  # {frame: its time}: key frames that need nothing before them and can be jumped to
    positions: tuple[int, ...]  # of the packets, bytes in the file; -1: not known
    notes: tuple[str, ...] = ()  # what a user should know

    def picture_at(self, number: int) -> int:
        """The picture that stands for a frame number."""
        if not self.variable:
            return number
        moment = self.times[0] + (number + 1e-6) / self.fps / self.tick
        return max(0, int(np.searchsorted(self.times, moment, side="right")) - 1)

    def window(self, start: float | None, end: float | None) -> tuple[float | None, float | None]:
        """A window on the player's clock, from the first picture on."""
        return (start if start is None else start - self.begin, end if end is None else end - self.begin)

    def place(self, number: int) -> str:
        """When a picture is shown, in words."""
        return f"at {(self.times[number] - self.times[0]) * self.tick + self.begin:.2f} s"


def read_timeline(container: Any, stream: Any, first: int | None) -> Timeline:
    """Reads the whole file. `first`: ticks, the time of the first picture that the decoder gives. Raises Unreadable: it has no two
    pictures, or fewer than its header promises."""
    packets = _read(container, stream)
    return _timeline(packets, container, stream, first)


@dataclass(frozen=True)
class Beginning:
    """The first picture that can be decoded."""

    time: int | None = None  # ticks, when it is shown; None: it says none, or the decoder gives none
    matrix: tuple[int, ...] = ()  # its display matrix, nine numbers, if it has one


def read_beginning(container: Any, stream: Any) -> Beginning:
    """Raises Unreadable when packets hold fields instead of pictures: their times are no pictures' times."""
    in_fields = stream.codec_context.name == "h264" and container.format.name in FIELD_BY_FIELD
    first, packets, pictures = Beginning(), 0, list[bool]()
    with contextlib.suppress(*faults()):
        for packet in container.demux(stream):
            report_progress()
            frames = packet.decode()
            packets += bool(pictures and packet.size)  # since the first picture came
            pictures += [bool(frame.interlaced_frame) for frame in frames]
            if frames and len(frames) == len(pictures):
                first = Beginning(frames[0].pts, _matrix(frames[0]))
            if pictures and (not in_fields or packets >= FIELDS):
                break
    if packets >= 8 and sum(pictures) > len(pictures) / 2 and len(pictures) < 0.75 * packets:
        raise Unreadable(
            "unreadable: one field a packet (H.264, PAFF), which is read from MP4 and Matroska only: remux it"
        )
    return first


def _matrix(frame: Any) -> tuple[int, ...]:
    """Of one picture a file: asking PyAV for a picture's side data ties it into a cycle, and all would pile up."""
    from av.sidedata.sidedata import Type

    side = frame.side_data.get(Type.DISPLAYMATRIX)
    return () if side is None else struct.unpack("=9i", bytes(side))


def _read(container: Any, stream: Any) -> Packets:
    packets, hides_some = Packets(), stream.codec_context.name == "vp8"
    packets.timed = container.format.name.split(",")[0] not in UNTIMED
    packets.first = (container.start_time or 0) / 1e6
    try:
        for packet in container.demux():
            report_progress()
            if not packet.size:
                continue
            last = packet.pts if packet.pts is not None else packet.dts
            if last is not None and packet.time_base:
                end = float((last + (packet.duration or 0)) * packet.time_base)
                packets.end = max(packets.end, end)
            if packet.stream_index != stream.index:
                continue
            packets.all_frames += 1
            if hides_some and not memoryview(packet)[0] >> 4 & 1:
                continue  # RFC 6386, 9.1: show_frame
            packets.timed = packets.timed and packet.pts is not None
            packets.pts.append(packet.pts if packet.pts is not None else 0)
            packets.dts.append(packet.dts)
            packets.positions.append(-1 if packet.pos is None else packet.pos)
            packets.key.append(packet.is_keyframe)
            packets.visible.append(not packet.is_discard)
            packets.length = packet.duration or packets.length
    except MemoryError:
        raise
    except faults() as error:
        raise Unreadable(f"damaged: {words(error)}, after {packets.all_frames} frames") from None
    return packets


def _timeline(packets: Packets, container: Any, stream: Any, first: int | None) -> Timeline:
    visible = np.array(packets.visible, bool)
    pts, tick = np.array(packets.pts, np.int64), float(stream.time_base or 1)
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    order = np.flatnonzero(visible)
    timed = packets.timed and len(np.unique(pts[order])) > len(order) / 2  # a few may share a time
    if timed:
        order = order[np.argsort(pts[order], kind="stable")]
        order = order[_leading(pts[order], packets, first) :]
        times = pts[order]
    else:
        times = np.array([-1 if value is None else value for value in packets.dts], np.int64)[order]
        if len(order) and (times.min() < 0 or (np.diff(times) <= 0).any()):
            if not rate:
                raise Unreadable("unreadable: it says neither when its pictures are shown nor how many a second")
            times, tick = np.arange(len(order)), float(1 / rate)
    count = len(order)
    _check_length(packets, container, stream, times)
    if count < 2:
        raise Unreadable(f"{count} frame{'s' * (count != 1)}; two make one vision step")
    fps, variable = _rate(times, tick, packets.length, rate)
    group_of, late, closed = _groups(pts, np.array(packets.key, bool))
    jumps = {}
    if timed and container.format.name.startswith(SEEKABLE) and visible.all():
        jumps = {int(n): int(pts[packet]) for n, packet in enumerate(order) if closed[packet]}
    begin = float(times[0] * tick) - packets.first if timed else 0.0
    notes = _notes(container, stream, variable, begin if begin >= LATE else 0.0)
    return Timeline(
        frames=count,
        fps=fps,
        variable=variable,
        begin=begin if begin >= LATE else 0.0,
        times=times,
        tick=tick,
        timed=timed,
        packet_of=order,
        group_of=group_of,
        late=late,
        jumps=jumps,
        positions=tuple(packets.positions),
        notes=notes,
    )


def _leading(times: np.ndarray, packets: Packets, first: int | None) -> int:
    """How many pictures at the beginning nothing can decode: they are shown before the first key frame and made from one that
    was cut off. A player begins behind them. `times` rise."""
    keys = [pts for pts, key in zip(packets.pts, packets.key, strict=True) if key]
    return 0 if first is None or not keys else int(np.searchsorted(times, min(first, keys[0]), side="left"))


def _rate(times: np.ndarray, tick: float, length: int, rate: Fraction | None) -> tuple[float, bool]:
    """(frames a second, whether they vary). The header's rate counts where every picture is shown within half a frame
    of the time that its number gives."""
    count, seconds = len(times), (times - times[0]) * tick
    if rate and np.abs(seconds - np.arange(count) / float(rate)).max() <= unevenness(float(rate), tick):
        return float(rate), False
    last = length if 0 < length * tick <= seconds[-1] else float(np.median(np.diff(times)))
    fps = float(count / (seconds[-1] + last * tick))
    return fps, bool(np.abs(seconds - np.arange(count) / fps).max() > unevenness(fps, tick))


def _groups(pts: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(group of each packet, whether it is shown before the key frame that it follows, whether it is a key frame with
    everything before it in the file shown before it and everything after it after it)."""
    group_of = np.cumsum(key)
    keys = np.concatenate([[np.iinfo(np.int64).min], pts[key]])  # group 0 comes before the first key frame
    late = pts < keys[group_of]
    before = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(pts)[:-1]]) if len(pts) else pts
    after = np.minimum.accumulate(pts[::-1])[::-1] if len(pts) else pts
    return group_of, late, key & (before < pts) & (after >= pts)


def _check_length(packets: Packets, container: Any, stream: Any, times: np.ndarray) -> None:
    """Raises Unreadable when the file breaks off, or when its clock is set back: then times say nothing of the order."""
    clock = [value for value in packets.dts if value is not None]
    if container.format.name.startswith("mpeg") and any(after < before for before, after in pairwise(clock)):
        raise Unreadable("damaged: its clock is set back: bytes were changed, or several recordings were joined")
    if fault := broken_off(container, stream):
        raise Unreadable(f"truncated: {fault}")
    name = container.format.name.split(",")[0]
    if not name.startswith(PROMISING):
        return
    count, promised = packets.all_frames, stream.frames
    if name == "avi" and count:  # frames that were dropped on recording are empty, and have a time all the same
        ticks = [value for value in packets.dts if value is not None]
        count = max(count, ticks[-1] - ticks[0] + 1) if ticks else count
    if name == "mov":  # what lies wholly before an edit list is in no index
        promised = min(promised, len(stream.index_entries))
    if promised - count > 1:
        raise Unreadable(f"truncated: {count} of the {promised} frames that its header promises are there")
    # Matroska counts from 0 whenever the first picture is shown, MP4 from the first picture.
    there, length = max(packets.end, packets.end - packets.first), (container.duration or 0) / 1e6
    if length - there > max(END, 0.02 * length):
        raise Unreadable(f"truncated: {there:.2f} of the {length:.2f} s that its header promises are there")


def _notes(container: Any, stream: Any, variable: bool, begin: float) -> tuple[str, ...]:
    notes = []
    if variable:
        notes.append("variable frame rate: frames are chosen by time")
    if begin:
        notes.append(f"its pictures begin {begin:.2f} s after the file")
    if others := [other for other in moving_streams(container) if other.index != stream.index and pixels_of(other)]:
        notes.append(f"{len(others) + 1} video streams: the one of {stream.width}x{stream.height} is read")
    return tuple(notes)
