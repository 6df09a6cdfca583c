"""Which media a split's questions name, and what each of them holds: how a plan sees that one was replaced.

Conversion writes <split>.media.json. Nothing is looked for in the media folder: what no question names may be anything.

    {"revision": "", "media": {"day1/cam2.mp4": "f3a81b..", "day1/gone.mp4": null}}

A print is a hash of the file's size, both ends and some places between them, the same on any disk and at any time; null: there
is no file that can be read. `revision` says which state of the media the conversion was asked for (see MediaLook.revision).
"""

import os
import stat
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, TypedDict

from roadtrain.files import json_text, read_json, sha256_json, write_json
from roadtrain.frames.containers import place_fault

ENDS = 1 << 14  # bytes. MP4's index, which has the size of every frame, is at one of them
PLACES, PLACE = 8, 1 << 12  # between them, evenly
WHOLE = 2 * ENDS + PLACES * PLACE  # a smaller file is hashed whole
READERS = 16  # threads: a disk on the network answers many at once

Print = str | None
Stat = tuple[int, int, int, int]  # bytes, times of change of content and entry (ns), inode


class MediaRecord(TypedDict):
    """The JSON of <split>.media.json."""

    revision: str
    media: dict[str, Print]  # by name, relative to the media folder


def record_text(revision: str, media: Mapping[str, Print]) -> str:
    """<split>.media.json: the same bytes for the same content."""
    return json_text(MediaRecord(revision=revision, media=dict(sorted(media.items()))))


def read_record(path: str) -> MediaRecord | None:
    """None where there is none, or none that is whole: then its conversion is made anew anyway."""
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return None
    whole = isinstance(value, dict) and isinstance(value.get("media"), dict) and isinstance(value.get("revision"), str)
    return MediaRecord(revision=value["revision"], media=value["media"]) if whole else None


def file_print(path: str) -> Print:
    """A file's print, None where there is none that can be read. A link stands for what it leads to; a pipe isn't waited for."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            hashed = blake2b(str(size).encode(), digest_size=12)
            if size <= WHOLE:
                hashed.update(stream.read())
                return hashed.hexdigest()
            step = (size - 2 * ENDS) // (PLACES + 1)
            hashed.update(stream.read(ENDS))
            for number in range(1, PLACES + 1):
                stream.seek(ENDS + number * step)
                hashed.update(stream.read(PLACE))
            stream.seek(size - ENDS)
            hashed.update(stream.read(ENDS))
            return hashed.hexdigest()
    except (OSError, ValueError):
        return None


def file_stat(path: str) -> Stat | None:
    """What changes with a file's content, None where there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@dataclass
class MediaLook:
    """A look at the media of a record, below `root`. `kept` is a file of this machine, prints by stat: a file is opened only
    when it changed; without it the answer is the same, later. `find`, of a source that looks for its videos, gives
    {name: paths}: whether one that was missing lies somewhere now."""

    root: str
    kept: str | None = None
    find: Callable[[], Mapping[str, Sequence[str]]] | None = None
    follow_links: bool = False  # also out of the media folder

    def changed(self, record: MediaRecord) -> dict[str, Print]:
        """{name: its print now} of the media that are not what they were. Where the whole folder is gone nothing changed:
        results are kept where raw data were not copied."""
        if not os.path.isdir(self.root):
            return {}
        before, names = self._read_kept(), list(record["media"])
        stats = {name: file_stat(f"{self.root}/{name}") for name in names}
        for name in names:  # a link that conversion refused holds nothing still
            if record["media"][name] is None and stats[name] and place_fault(self.root, name, self.follow_links):
                stats[name] = None
        prints_now = {name: before[name][1] for name in names if name in before and before[name][0] == stats[name]}
        unknown = [name for name in names if name not in prints_now and stats[name] is not None]
        if unknown:
            with ThreadPoolExecutor(READERS) as pool:
                prints = pool.map(file_print, [f"{self.root}/{name}" for name in unknown])
            prints_now |= {name: text for name, text in zip(unknown, prints, strict=True) if text is not None}
        self._keep({name: (stats[name], text) for name, text in prints_now.items()}, before)
        changes = {name: prints_now.get(name) for name in names if prints_now.get(name) != record["media"][name]}
        missing = [name for name in names if record["media"][name] is None and name not in changes]
        places = self.find() if self.find and missing else {}
        elsewhere = {name: places[base] for name in missing if (base := name.rsplit("/", 1)[-1]) in places}
        return changes | {name: " ".join(paths) for name, paths in elsewhere.items() if name not in paths}

    def revision(self, record: MediaRecord | None) -> str:
        """A parameter of the rule that converts: what it was when nothing changed, else something else.

        It can't be a hash of the media: which these are is known only when they were converted once, and the first
        conversion would then be made twice. So conversion writes down what it was asked for.
        """
        if record is None:
            return ""
        changes = self.changed(record)
        if not changes:
            return record["revision"]
        first = min(changes)
        digest = sha256_json([record["revision"], sorted(changes.items())])[:16]
        return f"{digest}: {len(changes)} changed, the first: {ascii(first)[1:-1]}"

    def _read_kept(self) -> dict[str, tuple[Stat, str]]:
        try:
            value = read_json(self.kept) if self.kept else {}
            if value.get("root") != os.path.abspath(self.root) or value.get("form") != WHOLE:
                return {}
            return {name: (tuple(status), text) for name, (status, text) in value["media"].items()}
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return {}  # none yet, or not whole

    def _keep(self, prints: Mapping[str, tuple[Stat | None, str]], before: Mapping[str, tuple[Stat, str]]) -> None:
        if self.kept and prints != before:
            try:
                write_json(self.kept, {"root": os.path.abspath(self.root), "form": WHOLE, "media": prints})
            except OSError:  # a folder that can't be written: then every plan takes its time
                return


def other_form(root: str, name: str) -> str:
    """What to do about a name that isn't there, when it is there in other Unicode: macOS and archives made there write ü as
    two characters (NFD). "" when it isn't."""
    forms: list[tuple[Literal["NFD", "NFC"], str]] = [("NFD", "NFD, as macOS writes it"), ("NFC", "NFC")]
    for form, words in forms:
        other = unicodedata.normalize(form, name)
        if other != name and os.path.exists(f"{root}/{other}"):
            return f"; a file's name that looks the same is written in {words}: rename it, or write the annotations so"
    return ""
