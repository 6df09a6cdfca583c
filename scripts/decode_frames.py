#!/usr/bin/env python3
"""Decode and resize the videos and pictures of one split once, for one or several vision settings in one pass over each video.

Settings given by --also are decoded in the same pass into the cache, for the jobs that write their indexes: whoever
comes second finds everything there.

Inputs: a LLaVA JSON and the folder its videos are relative to. Outputs: an index (JSON) for each setting; the frames
themselves go to the cache, one safetensors file a clip (uint8 [frames, 3, height, width]). What is in the cache is
not decoded again: a killed run continues where it was, a changed video or setting redoes just that.

    decode_frames.py --llava train.llava.json --media data/wts/videos/train --vision '{"nframes": 8}' --index a.json
    decode_frames.py --verify a.json         hash an index's clips again
    decode_frames.py --verify cache/frames   or those of the whole cache
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from roadtrain import cli, torchvision_cpu
from roadtrain.data.llava import media_of, read_entries
from roadtrain.files import write_json
from roadtrain.frames.decoding import Inspection, decode, inspect, jobs, software, without
from roadtrain.frames.index import FrameIndex, damage, row_key
from roadtrain.frames.sampling import PATCH
from roadtrain.spec.arguments import add_key
from roadtrain.spec.data import Data
from roadtrain.spec.vision import Vision
from roadtrain.workers import Died, each

STALE = 3600  # seconds: what a killed run left half-written is deleted after this


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", help="conversations of the split")
    parser.add_argument("--media", help="the folder that the conversations' videos are relative to")
    parser.add_argument("--vision", action="append", default=[], metavar="JSON", help="a vision setting (repeatable)")
    parser.add_argument("--index", action="append", default=[], help="where its index goes, in the same order")
    parser.add_argument(
        "--also", type=json.loads, default=[], metavar="JSON", help="a list of further settings, into the cache only"
    )
    parser.add_argument("--cache", default="cache/frames", help="where the frames go (%(default)s)")
    add_key(parser, Data, "on_bad_video")
    parser.add_argument("--workers", type=int, default=cores(), help="processes; 0: this one alone (%(default)s)")
    parser.add_argument("--verify", metavar="INDEX_OR_CACHE", help="only hash the clips again and report")
    args = parser.parse_args()
    if args.verify is None and not (args.llava and args.media and args.vision):
        parser.error("give --llava, --media, --vision and --index (or --verify)")
    if args.verify is None and len(set(args.index)) != len(args.vision):
        parser.error(f"{len(args.vision)} --vision need as many different --index")
    if args.workers < 0:
        parser.error(f"--workers {args.workers}: 0 or more")
    return args


@cli.main
def main() -> None:
    args = arguments()
    if args.verify is not None:
        return verify(args.verify)
    wanted = tuple(vision(text) for text in args.vision)
    also = [vision(json.dumps(setting)) for setting in args.also]
    settings = (*wanted, *(setting for n, setting in enumerate(also) if setting not in (*wanted, *also[:n])))
    clips = list(dict.fromkeys(medium for entry in read_entries(args.llava) for medium in media_of(entry.clip)))
    if not clips:
        raise ValueError(f"{args.llava}: no entries: nothing to decode")
    if not Path(args.media).is_dir():
        raise ValueError(f"{args.media}: no such folder (the videos of {args.llava})")
    rows = {}
    with alone(args.llava, args.cache):
        found = look(jobs(clips, args.media, settings, args.cache), args.workers)
        check_disk(found, args.cache)
        for seen, of_video in done(found, args.workers):
            of_video = of_video[: len(wanted)]
            bad = next((row for per_setting in of_video for row in per_setting if "reason" in row), None)
            if bad and args.on_bad_video == "fail":
                raise ValueError(f"{seen.job.path}: {bad['reason']} (on_bad_video: fail)")
            rows[seen.job.video, seen.job.kind] = of_video
    said = set()
    for n, (setting, path) in enumerate(zip(wanted, args.index)):
        by_clip = {row_key(row): row for of_video in rows.values() for row in of_video[n]}
        ordered = [by_clip[clip] for clip in clips]
        left_out = [row for row in ordered if "reason" in row]
        for row in left_out:
            line = f"left out: {named(row)}: {row['reason']}"
            if line not in said:
                said.add(line)
                print(line, flush=True)
        if len(left_out) == len(ordered):
            reason = f"the first, {named(left_out[0])}: {left_out[0]['reason']}"
            raise ValueError(f"{args.media}: not one video of {args.llava} can be used; {reason}")
        value = {"vision": setting, "image_patch_size": PATCH, "reader": "decord", "software": software()}
        write_json(path, value | {"clips": [row for row in ordered if "reason" not in row], "left_out": left_out})


@contextlib.contextmanager
def alone(llava: str, cache: str) -> Iterator[None]:
    """One job at a time decodes a split: another that starts meanwhile waits, and then finds its clips in the cache."""
    Path(cache).mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.path.abspath(llava).encode()).hexdigest()[:16]
    with open(Path(cache, f".{name}.lock"), "w") as stream:
        with contextlib.suppress(OSError, ImportError):  # a file system without locks: then the work is done twice
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def cores() -> int:
    """Those that this process may use: a cluster's job has fewer than its machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def vision(text: str) -> dict:
    """The setting in qwen-vl-utils' words. Raises ValueError naming the key that is wrong."""
    try:
        return Vision.model_validate(json.loads(text)).settings()
    except ValueError as error:
        if hasattr(error, "errors"):  # pydantic's: one line a mistake
            error = "; ".join(
                ": ".join([*map(str, e["loc"]), e["msg"].removeprefix("Value error, ")]) for e in error.errors()
            )
        raise ValueError(f"--vision {text}: {error}") from None


def named(row: dict) -> str:
    window = "" if row["start"] is None and row["end"] is None else f" ({row['start']} to {row['end']} s)"
    return row["video"] + window


def look(todo: list, workers: int) -> list[Inspection]:
    """Hash every video and see what the cache has. Threads: hashing and reading leave Python's lock alone."""
    with ThreadPoolExecutor(max(1, workers)) as threads:
        seen = threads.map(inspect, todo)
        return list(tqdm(seen, total=len(todo), unit="video", desc="look at", disable=len(todo) < 20))


def done(found: list[Inspection], workers: int):
    """(inspection, rows) of every video; those with something to decode in processes, with a progress bar."""
    missing = [seen for seen in found if seen.missing]
    for seen in found:
        if not seen.missing:
            yield seen, decode(seen)
    if not missing:
        return
    with tqdm(total=len(missing), unit="video", desc="decode") as bar:
        for seen, rows in each(decode, missing, workers, start_worker):
            bar.update()
            if isinstance(rows, Died):
                rows = without(seen.job, "unreadable: the decoder crashed on it or ran out of memory")
            yield seen, rows


def start_worker() -> None:
    import torch

    torch.set_num_threads(1)  # one process a core already
    torchvision_cpu.ensure()


def check_disk(found: list[Inspection], cache: str) -> None:
    """Raises OSError when the missing clips can't fit. The sizes come from the videos' headers."""
    Path(cache).mkdir(parents=True, exist_ok=True)
    for part in Path(cache).glob("*/.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
    needed, free = sum(seen.bytes for seen in found), shutil.disk_usage(cache).free
    clips = sum(len(seen.missing) for seen in found)
    about = f"{clips} clips to decode take about {needed / 1e9:.2f} GB"
    print(f"{len(found)} videos; {about}; {free / 1e9:.1f} GB are free", flush=True)
    if needed > free:
        raise OSError(
            f"{cache}: {about}, only {free / 1e9:.2f} GB are free: make room, move the cache or lower the pixels"
        )


def verify(what: str) -> None:
    """Hash every clip of an index, or of a cache folder, again."""
    if Path(what).is_dir():
        clips = [(path, None) for path in sorted(Path(what).glob("*/*.safetensors"))]
    else:
        clips = [(Path(row["file"]), row) for row in FrameIndex.load(what).rows()]
    size = sum(path.stat().st_size for path, _ in clips if path.exists())
    with ThreadPoolExecutor(cores()) as threads:
        checked = threads.map(lambda clip: damage(*clip), clips)
        bad = [line for line in tqdm(checked, total=len(clips), unit="clip", desc="verify") if line]
    if bad:
        raise ValueError(
            "\n".join([*bad, f"{len(bad)} of {len(clips)} clips are damaged: delete these files and decode again"])
        )
    print(f"{what}: all {len(clips)} clips are whole ({size / 1e9:.2f} GB)")


if __name__ == "__main__":
    main()
