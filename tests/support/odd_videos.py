"""Numbered videos of odd kinds that no encoder here writes by itself: packets and bytes of others are changed."""

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from support.numbered import FAST, Kind, make_numbered, picture, x264

ONE = 1 << 16  # 1.0 of a display matrix


def remux(source: Path, target: Path, change: Callable[[int, av.Packet], av.Packet | None], format: str | None = None):
    """The same packets, each as `change` (its number, the packet) gives it back; None leaves it out."""
    with av.open(str(source)) as before, av.open(str(target), "w", format=format) as after:
        stream = before.streams.video[0]
        copy = after.add_stream_from_template(stream)
        for number, packet in enumerate(p for p in before.demux(stream) if p.size):
            if changed := change(number, packet):
                changed.stream = copy
                after.mux(changed)
    return target


def from_key_frame(source: Path, target: Path, key: int, format: str | None = None) -> Path:
    """As `ffmpeg -ss -c copy` cuts: the packets of the file from a key frame on."""
    keys = 0

    def change(_: int, packet: av.Packet) -> av.Packet | None:
        nonlocal keys
        keys += packet.is_keyframe
        return packet if keys > key else None

    return remux(source, target, change, format)


def not_coded(folder: Path, name: str, repeats: set[int]) -> tuple[Path, list[int]]:
    """MPEG-4 whose pictures `repeats` are packets that say "the same picture again" (ISO 14496-2, vop_coded 0), as Xvid
    writes them; and the number that each picture carries."""
    numbers = [max(m for m in range(n + 1) if m not in repeats) for n in range(100)]
    with av.open(str(folder / "coded.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"g": "300"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate, stream.thread_count = (
            320,
            240,
            "yuv420p",
            8_000_000,
            1,
        )
        for n, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(picture(number, (320, 240)), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return remux(folder / "coded.avi", folder / name, lambda n, p: _empty_vop(p) if n in repeats else p), numbers


def _empty_vop(packet: av.Packet) -> av.Packet:
    """The header of a picture up to vop_coded, which becomes 0."""
    content = bytes(packet)
    at = content.find(b"\0\0\1\xb6") + 4
    bits = f"{int.from_bytes(content[at : at + 8], 'big'):064b}"
    end = bits.index("0", 2) + 1 + 1 + 5 + 1  # type; seconds, ended by 0; marker; time in 25ths: 5 bits; marker
    assert bits[end - 1] == "1" and bits[end] == "1"  # marker, vop_coded
    text = bits[:end] + "00"
    text += "1" * (-len(text) % 8)
    empty = av.Packet(content[:at] + int(text, 2).to_bytes(len(text) // 8, "big"))
    empty.pts, empty.dts, empty.time_base, empty.is_keyframe = packet.pts, packet.dts, packet.time_base, False
    return empty


def mirrored(folder: Path, name: str, matrix: tuple[int, int, int, int]) -> Path:
    """MP4 whose track header has the display matrix ((a, b), (c, d))."""
    content = make_numbered(folder / "plain.mp4", Kind(frames=12)).read_bytes()
    track = content.index(b"tkhd")
    plain = struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    a, b, c, d = (ONE * value for value in matrix)
    at = content.index(plain, track)
    changed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (folder / name).write_bytes(content[:at] + changed + content[at + len(plain) :])
    return folder / name


def shared_time(folder: Path) -> Path:
    """WebM of 100 pictures at 25 a second, then 2.5 a second, in which two pictures have the same millisecond."""
    kind = Kind("libvpx", FAST | {"g": "50"}, frames=500, keep=lambda n: n < 100 or n % 10 == 0, bit_rate=1_000_000)
    path = make_numbered(folder / "variable.webm", kind)
    with av.open(str(path)) as container:
        packets = [(p.pts, p.pos) for p in container.demux(video=0) if p.size]
    content = bytearray(path.read_bytes())
    (before, _), (time, position) = packets[30:32]
    # A block: its size, the track's number (0x81), the time from its cluster's on (int16), flags.
    at = next(k for k in range(position, position + 12) if content[k] == 0x81 and not content[k + 3] & 0x70)
    from_cluster = int.from_bytes(content[at + 1 : at + 3], "big") - (time - before)
    content[at + 1 : at + 3] = from_cluster.to_bytes(2, "big")
    (folder / "shared.webm").write_bytes(content)
    return folder / "shared.webm"


class _Bits:
    """An H.264 bit string (ITU-T H.264, 7.2 and 9.1)."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, *values: tuple[int, int]) -> "_Bits":
        """(value, number of bits) each."""
        self.text += "".join(f"{value:0{bits}b}" for value, bits in values)
        return self

    def golomb(self, *values: int) -> "_Bits":
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def unit(self, header: int) -> bytes:
        """A NAL unit: stop bit, emulation prevention, start code."""
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        out, zeros = bytearray(), 0
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([header]) + bytes(out)


FIELD_SIZE = (192, 64)


def field_by_field(path: Path, format: str, pictures: int = 60) -> Path:
    """H.264 in field pictures (PAFF) of macroblocks without compression (I_PCM): no encoder here writes such."""
    width, height = FIELD_SIZE
    parameters = _Bits().put((77, 8), (0, 8), (30, 8)).golomb(0, 4, 0, 4, 1).put((0, 1))
    parameters.golomb(width // 16 - 1, height // 32 - 1).put((0, 1), (0, 1), (1, 1), (0, 1), (1, 1))
    parameters.put((0, 4), (1, 1), (1, 32), (50, 32), (1, 1), (0, 4))  # 25 pictures a second
    picture_set = _Bits().golomb(0, 0).put((0, 2)).golomb(0, 0, 0).put((0, 3)).golomb(0, 0, 0).put((0, 3))
    sets = parameters.unit(0x67) + picture_set.unit(0x68)
    raw = b""
    for n in range(pictures):
        luma = np.clip(picture(n, FIELD_SIZE).mean(2), 16, 235).astype(np.uint8)
        for bottom in (0, 1):
            is_first = n % 10 == 0
            raw += b"\0\0\0\1\x09\xf0" + (sets if is_first and not bottom else b"")
            raw += _field(luma[bottom::2], n % 10, bottom, is_first and not bottom)
    path.with_suffix(".h264").write_bytes(raw)
    if path.suffix == ".h264":
        return path
    return remux_raw(path.with_suffix(".h264"), path, format)


def _field(luma: np.ndarray, number: int, bottom: int, is_idr: bool) -> bytes:
    slice_ = _Bits().golomb(0, 2, 0).put((number, 8), (1, 1), (bottom, 1))
    if is_idr:
        slice_.golomb(0)
    slice_.put((2 * number + bottom, 8), *([(0, 2)] if is_idr else [(0, 1)])).golomb(0)
    for y in range(0, luma.shape[0], 16):
        for x in range(0, luma.shape[1], 16):
            slice_.golomb(25)
            slice_.text += "0" * (-len(slice_.text) % 8)
            block = luma[y : y + 16, x : x + 16].tobytes() + bytes([128]) * 128
            slice_.text += "".join(f"{byte:08b}" for byte in block)
    return slice_.unit(0x65 if is_idr else 0x61)


def remux_raw(source: Path, target: Path, format: str) -> Path:
    """Two units a packet, 25 packets a second."""
    units = source.read_bytes().split(b"\0\0\0\1\x09\xf0")[1:]
    with av.open(str(target), "w", format=format) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *FIELD_SIZE, "yuv420p"
        for n in range(len(units) // 2):
            packet = av.Packet(b"".join(b"\0\0\0\1\x09\xf0" + unit for unit in units[2 * n : 2 * n + 2]))
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), n, n
            packet.is_keyframe = n % 10 == 0
            container.mux(packet)
    return target


def edited(folder: Path, name: str, edits: list[tuple[float, float | None, float]]) -> Path:
    """MP4 of 200 pictures, the first at 0, with an edit list: (seconds that it takes, from which second on, None: nothing is
    shown; speed) each."""
    source = make_numbered(folder / f"without-{name}", Kind(frames=200, options=x264(bf="0")))
    with av.open(str(source)) as container:
        ticks = container.streams.video[0].time_base.denominator
    entries = b"".join(
        struct.pack(">IiI", int(1000 * length), -1 if begin is None else int(begin * ticks), int(ONE * speed))
        for length, begin, speed in edits
    )
    edts = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(edits)) + entries))
    content = bytearray(source.read_bytes())
    at = content.index(b"edts") - 4
    old = int.from_bytes(content[at : at + 4], "big")
    content[at : at + old] = edts
    for kind in (b"moov", b"trak"):  # they hold it; moov is behind the pictures, whose places stay
        size = content.index(kind) - 4
        content[size : size + 4] = (int.from_bytes(content[size : size + 4], "big") + len(edts) - old).to_bytes(
            4, "big"
        )
    (folder / name).write_bytes(content)
    return folder / name


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def two_programmes(folder: Path, name: str, second: bool = True) -> Path:
    """A transport stream of two programmes, as a broadcast has them; not `second`: it is announced, and its streams were left out."""
    own = {"mpegts_service_id": "2", "mpegts_pmt_start_pid": "0x1100", "mpegts_start_pid": "0x200"}
    one = make_numbered(folder / f"one-{name}", Kind(frames=60, format="mpegts")).read_bytes()
    two = make_numbered(folder / f"two-{name}", Kind(frames=60, format="mpegts", container=own)).read_bytes()
    out = bytearray()
    for at in range(0, max(len(one), len(two)), 188):
        for content in (one, two):
            packet = content[at : at + 188]
            number = int.from_bytes(packet[1:3], "big") & 0x1FFF
            if packet and number == 0:
                packet = _programmes(packet) if content is one else b""
            if content is one or (second and number >= 0x200):
                out += packet
    (folder / name).write_bytes(out)
    return folder / name


def _programmes(packet: bytes) -> bytes:
    """The table of programmes (ISO 13818-1, 2.4.4.3), with another one whose own table is 0x1100."""
    section = bytearray(packet[5 : 5 + 3 + (int.from_bytes(packet[6:8], "big") & 0xFFF) - 4])
    section += struct.pack(">HH", 2, 0xE000 | 0x1100)
    section[1:3] = (0xB000 | len(section) - 3 + 4).to_bytes(2, "big")
    crc = 0xFFFFFFFF
    for byte in section:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return (packet[:5] + section + crc.to_bytes(4, "big")).ljust(188, b"\xff")
