"""The pictures of a video, by PyAV: in the order of the file from its beginning, or from a key frame that needs nothing
before it. Every picture is checked against the timeline; one that may be damaged is never handed out.

What damages a picture damages what was made from it: all that follows in its group, and what the next group shows before
its key frame. Nothing else counts: a complaint about other groups spoils no picture. That depends on the file alone, not on what else
is asked for, so two runs agree. Damage is what the decoder or the container complains of, what the decoder conceals (it
says that as a remark, not as an error), a packet or picture that they flag, and what a checksum of the container says.
"""

import bisect
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.frames.checksums import damaged_ranges
from roadtrain.frames.containers import Unreadable, decoder_log, faults, is_complaint, open_video, video_stream, words
from roadtrain.frames.timeline import Timeline, read_beginning, read_timeline
from roadtrain.workers import report_progress

NONE = 1 << 60
Mirror = Callable[[Any], Any]


class _JumpError(Exception):
    """A jump may have done it: the decoder gave no picture, or another than that of the key frame, or complained."""


@dataclass(frozen=True)
class Damage:
    """Why a picture can't be had."""

    reason: str


class VideoFile:
    """A video that is read by several passes. Raises Unreadable."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with open_video(path) as container, decoder_log():
            beginning = read_beginning(container, video_stream(container))
        with open_video(path) as container, decoder_log():
            self.timeline = read_timeline(container, video_stream(container), beginning.time)
            ranges = damaged_ranges(path) if container.format.name.startswith("matroska") else []
        self._mirror = mirror_of(beginning.matrix)
        self._damaged = [n for n, at in enumerate(self.timeline.positions) if any(a <= at < b for a, b in ranges)]

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """(frame number, uint8 [height, width, 3] or Damage) for each of `numbers`, which rise. Raises Unreadable."""
        numbers_of: dict[int, list[int]] = {}
        for number in numbers:
            numbers_of.setdefault(self.timeline.picture_at(number), []).append(number)
        for place, picture in _Pass(self._path, self.timeline, self._damaged, self._mirror).run(sorted(numbers_of)):
            for number in numbers_of[place]:
                yield number, picture


class _Pass:
    """One way through a file."""

    def __init__(self, path: str | Path, timeline: Timeline, damaged: Sequence[int], mirror: Mirror | None) -> None:
        """`damaged`: packets that a checksum says were changed."""
        self._path, self._timeline, self._changed, self._mirror = path, timeline, damaged, mirror
        times = timeline.times.tolist() if timeline.timed else []
        self._place_of = {time: n for n, time in reversed(list(enumerate(times)))}  # of equal times the first
        self._keys = list(timeline.jumps)
        self._log: list[Any] = []
        self._begin()

    def _begin(self) -> None:
        self._damage: dict[int, tuple[int, str]] = {}  # {group: (its first packet that is damaged, why)}
        self._packet = -1  # in the file
        self._shown = -1  # the last picture that the decoder gave
        self._delay: int | None = None  # packets that the decoder wants before it gives the picture of one
        self._entry: int | None = None  # the key frame that was jumped to, until its picture came
        self._has_jumped = False
        for packet in self._changed:
            self._damaged("its checksum says that bytes were changed", packet)

    def run(self, places: list[int]) -> Iterator[tuple[int, Any]]:
        waiting = list(places)
        try:
            yield from self._through(waiting)
        except _JumpError:
            # Some key frames need what is before them (recovery points), and the decoder complains of what it was never given.
            # Without jumps, from the beginning: so a picture is damaged or not whatever else is asked for.
            self._keys = []
            self._begin()
            yield from self._through(waiting)

    def _through(self, waiting: list[int]) -> Iterator[tuple[int, Any]]:
        with open_video(self._path) as container, decoder_log() as self._log:
            stream = video_stream(container)
            self._codec = stream.codec_context.name
            packets = iter(container.demux(stream))
            while waiting:
                if (key := self._jump(waiting[0])) is not None:
                    packets, self._entry = self._seek(container, stream, key), key
                    self._has_jumped = True
                for place, picture in self._read_on(packets, waiting):
                    yield place, picture
                    if waiting and self._jump(waiting[0]) is not None:
                        break
                else:
                    self._trust_no_jump()
                    for place in waiting:
                        yield place, Damage(self._no_picture(place))
                    return

    def _jump(self, place: int) -> int | None:
        """The last key frame up to a picture, when it is worth a jump."""
        n = bisect.bisect_right(self._keys, place) - 1
        if n < 0 or self._keys[n] <= self._shown + 1 or self._timeline.packet_of[self._keys[n]] <= self._packet:
            return None
        return self._keys[n]

    def _seek(self, container: Any, stream: Any, key: int) -> Iterator[Any]:
        """Packets from a key frame on. Raises Unreadable when the container leads elsewhere."""
        time = self._timeline.jumps[key]
        with contextlib.suppress(*faults()):
            container.seek(time, stream=stream, backward=True, any_frame=False)
            packets = container.demux(stream)
            for packet in packets:
                if packet.pts == time and packet.is_keyframe:
                    self._packet, self._shown = int(self._timeline.packet_of[key]) - 1, key - 1
                    return _again(packet, packets)
                if packet.pts is None or packet.pts > time:
                    break
        raise Unreadable("damaged: its index leads to a wrong key frame")

    def _read_on(self, packets: Iterator[Any], waiting: list[int]) -> Iterator[tuple[int, Any]]:
        """Take pictures off `waiting` as they come."""
        for frame in self._decoded(packets):
            place = self._place(frame)
            if place is None:
                continue
            while waiting and waiting[0] < place:
                self._trust_no_jump()
                missing = waiting.pop(0)
                yield missing, Damage(self._no_picture(missing))
            self._shown = max(self._shown, place)
            if waiting and waiting[0] == place:
                waiting.pop(0)
                damage = self._damage_of(place)
                yield place, Damage(damage) if damage else self._picture(frame, place)
            if not waiting:
                return

    def _picture(self, frame: Any, place: int) -> Any:
        try:
            return to_rgb(frame, self._mirror)
        except MemoryError:
            raise
        except faults() as error:  # a size or a format that nothing converts, in a stream that changes it
            return Damage(f"damaged: no picture {self._timeline.place(place)}: {words(error)}")

    def _decoded(self, packets: Iterator[Any]) -> Iterator[Any]:
        while True:
            report_progress()
            try:
                packet = next(packets)
            except StopIteration:
                return
            except MemoryError:
                raise
            except faults() as error:
                self._damaged(words(error))
                return
            if packet.size:
                self._packet += 1
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except faults() as error:
                if isinstance(error, EOFError):
                    return
                self._damaged(words(error))
                frames = []
            complaints = [text.strip() for level, _, text in self._log if is_complaint(level, text)]
            del self._log[:]
            if complaints or packet.is_corrupt:
                self._damaged(complaints[-1] if complaints else "a packet isn't whole")
            yield from frames

    def _place(self, frame: Any) -> int | None:
        """Which picture of the timeline this is; None when it is none."""
        place = self._place_by_time(frame.pts) if self._timeline.timed else self._place_by_order()
        if self._entry not in (None, place):
            raise _JumpError
        self._entry = None
        if not self._shown < place < self._timeline.frames:
            self._damaged("pictures come in another order than their times")
            return None
        if frame.is_corrupt:
            self._damaged("a picture isn't whole", int(self._timeline.packet_of[place]))
        return place

    def _place_by_time(self, time: int | None) -> int:
        """Of pictures that share a time each has its own place, in the decoder's order. -1: there is none."""
        place = -1 if time is None else self._place_of.get(time, -1)
        following, times = self._shown + 1, self._timeline.times
        is_shared = 0 <= place < following < len(times) and times[following] == time
        return following if is_shared else place

    def _place_by_order(self) -> int:
        """MPEG-4 says "the same picture again" by a packet without one: the next picture is that of a later packet."""
        waits = self._packet - self._shown - 1
        if self._delay is None or self._codec != "mpeg4":
            self._delay = waits
        return self._shown + 1 + max(0, waits - self._delay)

    def _damaged(self, why: str, packet: int | None = None) -> None:
        self._trust_no_jump()
        groups = self._timeline.group_of
        at = min(max(self._packet if packet is None else packet, 0), len(groups) - 1)
        group = int(groups[at]) if self._timeline.timed else 0
        if at < self._damage.get(group, (NONE, ""))[0]:
            self._damage[group] = at, why

    def _trust_no_jump(self) -> None:
        """Nothing is said to be damaged or missing after a jump: raises _JumpError."""
        if self._has_jumped:
            raise _JumpError

    def _damage_of(self, place: int) -> str | None:
        packet = int(self._timeline.packet_of[place])
        group = int(self._timeline.group_of[packet]) if self._timeline.timed else 0
        since, why = self._damage.get(group, (NONE, ""))
        if packet < since and self._timeline.timed and self._timeline.late[packet]:
            since, why = self._damage.get(group - 1, (NONE, ""))
            packet = NONE if since < NONE else packet
        return f"damaged: {why} ({self._timeline.place(place)})" if packet >= since and since < NONE else None

    def _no_picture(self, place: int) -> str:
        why = next(iter(self._damage.values()), (0, "the decoder gives none"))[1]
        return f"damaged: no picture {self._timeline.place(place)}: {why}"


def _again(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def to_rgb(frame: Any, mirror: Mirror | None = None) -> Any:
    """uint8 [height, width, 3] as a player holds it up, woven where it is interlaced: what decord's conversion gives, but
    for 4:2:0 with more than 8 bits or an odd side (docs/videos.md says how far off)."""
    import numpy as np

    turns = round(frame.rotation / 90)
    if frame.interlaced_frame:
        frame = _as_progressive(frame)
    picture = frame.to_ndarray(format="rgb24")
    if mirror is not None:
        return np.ascontiguousarray(mirror(picture))
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns % 4 else picture


def mirror_of(matrix: Sequence[int]) -> Mirror | None:
    """What holds a picture up whose display matrix mirrors it (ISO 14496-12, 6.2.2: x' = a x + c y, y' = b x + d y); None: it doesn't."""
    if not matrix:
        return None
    a, b, _, c, d, *_ = matrix
    if a * d - b * c >= 0:
        return None
    swaps = abs(b) + abs(c) > abs(a) + abs(d)
    across, down = (c, b) if swaps else (a, d)  # the signs of x' and y'

    def mirror(picture: Any) -> Any:
        upright = picture.swapaxes(0, 1) if swaps else picture
        return upright[:: 1 if down >= 0 else -1, :: 1 if across >= 0 else -1]

    return mirror


def _as_progressive(frame: Any) -> Any:
    """Lines stay where they are; FFmpeg's conversion would take colours field by field."""
    import av.filter

    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    mark, sink = graph.add("setparams", "field_mode=prog"), graph.add("buffersink")
    source.link_to(mark)
    mark.link_to(sink)
    graph.configure()
    graph.push(frame)
    return graph.pull()
