"""What the replies of an unfinished evaluation depend on, hashed part by part: a kill must not mix those of two."""

import argparse
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from roadtrain.data.media_record import READERS, file_print
from roadtrain.evaluate.asking_code import asking_code
from roadtrain.evaluate.predictions import PredictionsSource
from roadtrain.files import sha256_json
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip, Medium

PATIENCE = 2  # seconds without a word


def reply_key(
    args: argparse.Namespace, engine: str, source: PredictionsSource, frames: FrameIndex, clips: Iterable[Clip]
) -> dict[str, str]:
    """{what may differ, in a word: its hash}. `source` has checkpoint, data, settings and software."""
    return {
        "settings": sha256_json(source),
        "code": asking_code(engine),
        "media": _media_hash(args, frames, clips),
        "device": _device(args),
    }


def _device(args: argparse.Namespace) -> str:
    """A CPU computes in float32, a GPU in the checkpoint's own type: other answers. Which GPU is no part of the key, as shards of
    one evaluation may have several kinds: they round otherwise, as clips that are answered together do."""
    return "gpu" if args.gpus else "cpu"


def _media_hash(args: argparse.Namespace, frames: FrameIndex, clips: Iterable[Clip]) -> str:
    """Of the pixels that the model is shown. The index names a file by what it was made from: a mended reader writes other frames
    under that name, and a server reads the videos themselves."""
    if args.without_media:
        return "none"
    folder = getattr(args, "media", None)  # evaluate_served.py's
    media = list(dict.fromkeys(medium for clip in clips if clip in frames for medium in clip.media))

    def content(medium: Medium) -> str | None:
        is_sent = folder is not None and medium.start is None and medium.end is None
        return file_print(f"{folder}/{medium.file}") if is_sent else frames.content(medium)

    with ThreadPoolExecutor(READERS) as pool:
        prints = pool.map(content, media)
        return sha256_json(list(tqdm(prints, total=len(media), desc="media", unit="video", delay=PATIENCE)))
