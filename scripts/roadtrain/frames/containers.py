"""Opening a video: regular files of known containers only, and the one stream in it that is read.

A playlist (HLS, DASH, concat) names other files or hosts and is refused, as is whatever FFmpeg would take for a picture, a
device or a script. Whoever looks at a video opens it here: what is looked at and what is decoded is the same stream.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roadtrain.frames.edit_lists import edit_list_fault

# FFmpeg's names of demuxers that read one file and nothing else.
CONTAINERS = (
    "mov matroska webm avi mpegts mpeg mpegvideo flv asf ogg gif h264 hevc m4v mxf ivf yuv4mpegpipe wtv".split()
)
LATE = 0.1  # seconds: pictures that begin later than the file by less than this begin with it (sound is primed)
READ_SECONDS = 60.0  # of waiting for a disk; a decoder that loops is ended by its process's clock
# Of pictures, in Pillow's names. EPS starts Ghostscript, others open other files: never by a file's content, whatever its name.
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")


class Unreadable(Exception):
    """A video, or a clip of it, can't be had. str(error) is the reason."""


def file_fault(path: str | Path) -> str | None:
    """Why there is no regular file, or None. Nothing is opened: a pipe would wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "no such file"
    except (OSError, ValueError) as error:
        return f"unreadable: {getattr(error, 'strerror', None) or error}"
    if stat.S_ISREG(mode):
        return None
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    kind = next((name for is_kind, name in kinds.items() if is_kind(mode)), "a device")
    return f"unreadable: {kind}, not a file"


def place_fault(folder: str | Path, name: str, follow_links: bool = False) -> str | None:
    """Why the file of a name isn't looked at, or None: the name, or a link on its way, leads out of the folder. The folder
    itself may be a link. `follow_links`: who set the links up means what they lead to (data.media_links: follow)."""
    if os.path.isabs(name) or os.path.normpath(os.path.join("/x", name)).split(os.sep)[1:2] != ["x"]:
        return f"leads outside {folder}: refused"
    if follow_links or "\0" in name:
        return None
    path, root = os.path.realpath(os.path.join(folder, name)), os.path.realpath(folder)
    if os.path.commonpath([path, root]) == root:
        return None
    return f"a link leads outside {folder}, to {path}: refused (data.media_links: follow takes it)"


def picture_fault(image: Any) -> str | None:
    """Why a picture isn't shown as it is, or None. Of more than 8 bits Pillow cuts off what is over 255: such greys become white.
    Of several pictures the first would stand for all; those of a JPEG are a camera's previews."""
    if image.mode.startswith(("I", "F")):
        return "more than 8 bits a grey: all but the darkest would be white; save it with 8"
    if (count := getattr(image, "n_frames", 1)) > 1 and image.format in ("GIF", "PNG", "WEBP", "TIFF"):
        return f"{count} pictures, of which one is seen: name a GIF under 'video', or keep one picture"
    return None


def open_video(path: str | Path) -> Any:
    """An open container of PyAV. Raises Unreadable with the reason."""
    if fault := file_fault(path):
        raise Unreadable(fault)
    import av  # here: planning and listing never need it

    # An absolute path with its protocol: no name is read as an address, a pattern or a list.
    address = f"file:{os.path.abspath(path)}"
    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
    with decoder_log() as log:
        try:
            return av.open(address, container_options=options, timeout=READ_SECONDS, metadata_errors="replace")
        except MemoryError:
            raise
        except av.error.ArgumentError:
            raise Unreadable("unreadable: not a container that is read (docs/videos.md lists them)") from None
        except faults() as error:
            complaints = [text.strip() for level, _, text in log if is_complaint(level, text)]
            raise Unreadable(f"unreadable: {complaints[-1] if complaints else words(error)}") from None


@contextlib.contextmanager
def decoder_log() -> Iterator[list[tuple[int, str, str]]]:
    """What FFmpeg says meanwhile, complaints and remarks: (level, who, words). It goes nowhere else."""
    import av.logging

    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as log:
            del log[:]
            yield log
    finally:
        av.logging.set_level(before)


def is_complaint(level: int, text: str) -> bool:
    """Whether FFmpeg says that something is wrong. What it conceals it calls a remark."""
    import av.logging

    return level <= av.logging.ERROR or "conceal" in text


def video_stream(container: Any) -> Any:
    """The stream with the most pixels, the first of equal ones: what FFmpeg's own command takes. A cover is none.

    Raises Unreadable when there is none, or when FFmpeg's clock of it isn't a player's."""
    streams = moving_streams(container)
    if not streams:
        raise Unreadable("unreadable: no video stream")
    stream = max(streams, key=lambda stream: (pixels_of(stream), -stream.index))
    if stream.codec_context is None:
        raise Unreadable("unreadable: no decoder for its codec")
    if fault := _clock_fault(container, stream):
        raise Unreadable(f"unreadable: {fault}")
    stream.codec_context.options = {"err_detect": "crccheck"}  # where a codec has checksums: FFV1, PNG, HEVC's hashes
    stream.thread_count = 1  # several patch the holes of a damaged picture differently from run to run
    return stream


def _clock_fault(container: Any, stream: Any) -> str | None:
    """Why other moments would be shown than a player shows, or None."""
    if container.format.name.startswith("mov"):
        return edit_list_fault(container.name.removeprefix("file:"), stream.id)
    if container.format.name != "mpegts":
        return None
    # PyAV has no programmes; FFmpeg lists each with its streams. One without any was left out when it was recorded.
    with_streams = r"^  Program .*\n(?:    Metadata:\n(?:      .*\n)*)?  +Stream"
    count = len(re.findall(with_streams, container.dumps_format(), re.MULTILINE))
    remedy = "keep one (ffmpeg -i IN.ts -map 0:p:1 -c copy OUT.ts)"
    return f"{count} programmes, each with a clock of its own: {remedy}" if count > 1 else None


def moving_streams(container: Any) -> list[Any]:
    """Its video streams without covers, the still pictures of a music file or a film."""
    from av.stream import Disposition

    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def pixels_of(stream: Any) -> int:
    """Of a picture, as the header says; 0 of a stream that nothing here decodes: PyAV gives it no codec context."""
    return 0 if stream.codec_context is None else (stream.width or 0) * (stream.height or 0)


def broken_off(container: Any, stream: Any) -> str | None:
    """What an index says of the end of a file that isn't there, or None."""
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    return f"ends after {container.size} bytes, before its last frame" if end > container.size > 0 else None


def faults() -> tuple[type[Exception], ...]:
    """What PyAV raises about a damaged file; besides MemoryError, which is about this machine: catch that before."""
    import av

    return (av.FFmpegError, OSError, ValueError, IndexError)  # IndexError: a stream that wasn't there in the beginning


def words(error: Exception) -> str:
    """FFmpeg's own words about an error: without numbers and paths."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0]
