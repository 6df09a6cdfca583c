"""What jobs that are about to run would stumble over hours later: said before the first one.

A plan knows results by their small manifests. The weights and frames that these describe are nobody's outputs: they can be
lost alone (a full disk that was cleaned, a part that was not pulled). And Snakemake deletes what a job made when an
input is dated later than it, which a clock that went back or runs apart does to every job.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from roadtrain.cli import UserError
from roadtrain.files import read_json
from roadtrain.model.checkpoints import present, read_manifest

DAY = 86_400  # seconds
PATIENCE = 60  # seconds that are waited out: so far apart are the clocks of a file server and a machine


def lost_weights(manifests: Iterable[str], renewed: Collection[str]) -> Iterator[str]:
    """One line for each checkpoint whose files aren't there. `manifests`: those that jobs read, or best.json; those that
    are `renewed` are passed over."""
    for path in dict.fromkeys(manifests):
        if path in renewed or not Path(path).is_file():
            continue
        try:
            value = read_json(path)
            other = value.get("manifest") if isinstance(value, dict) else None
            if isinstance(other, str) and other in renewed:  # best.json names an epoch that is trained again
                continue
            manifest = read_manifest(path)
            folder = present(manifest)
        except (OSError, ValueError) as error:
            yield str(error)
            continue
        except TypeError as error:
            yield f"{path}: not a checkpoint's manifest: {error}"
            continue
        gone = [name for name in manifest["files"] if not (folder / name).is_file()]
        if gone:
            yield f"{folder / gone[0]}: missing, and {path} names it: fetch it (dvc pull) or delete that to make it again"


def lost_frames(indexes: Iterable[str], renewed: Collection[str]) -> Iterator[str]:
    """One line for each frame index whose clips aren't all in the cache. Those that are `renewed` are passed over."""
    for path in dict.fromkeys(indexes):
        if path in renewed or not Path(path).is_file():
            continue
        try:
            rows = read_json(path)["clips"]
            gone = [row for row in rows if not Path(row["file"]).is_file()]
        except (KeyError, TypeError, ValueError) as error:
            yield f"{path}: not an index of frames ({error}): delete it to decode them again"
            continue
        if gone:
            yield (
                f"{gone[0]['file']}: the frames of {gone[0]['video']}, and of {len(gone) - 1} more of {len(rows)} clips,"
                f" are not in the cache: fetch them (dvc pull) or delete {path} to decode them again"
            )


def seconds_ahead(files: Iterable[str], results: str | Path) -> tuple[float, str]:
    """How far in the future the latest of `files` is dated, and which; (0, "") where none is. "Now" is what a file gets
    that is touched in `results`, whose clock may be a file server's. Raises UserError for more than PATIENCE.
    """
    Path(results).mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=results, prefix=".clock.", suffix=".part") as probe:
        os.utime(probe.name)
        now = os.stat(probe.name).st_mtime
    dated = [(when, file) for file in dict.fromkeys(files) if (when := _dated(file)) > now]
    if not dated:
        return 0.0, ""
    when, file = max(dated)
    if when - now > PATIENCE:
        more = f", and {len(dated) - 1} more files are," if len(dated) > 1 else ""
        raise UserError(
            f"{file}: dated {_words(when)}{more} after now, {_words(now)}: Snakemake would delete what is made from it."
            " Set the clock right, or `touch` what is dated ahead"
        )
    return when - now, file


def _dated(file: str) -> float:
    """The later time of a link and what it leads to, as Snakemake takes it; 0 of a file that isn't there."""
    try:
        return max(os.stat(file).st_mtime, os.lstat(file).st_mtime)
    except OSError:
        return 0.0


def _words(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def remove_leftovers(folder: str | Path) -> int:
    """Delete what killed programs left half written below a folder; returns how many files. Only what nobody has
    touched for a day: an orphan of a killed run may still be writing."""
    count = 0
    for path in Path(folder).rglob(".*.part"):
        with contextlib.suppress(OSError):  # gone, a folder, not ours
            if time.time() - path.lstat().st_mtime > DAY:
                path.unlink()
                count += 1
    return count
