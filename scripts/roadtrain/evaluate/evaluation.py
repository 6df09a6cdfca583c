"""Asking a checkpoint every question of a split: what the engines share, so that their outputs have one shape.

An engine gets the clips that are still to be asked about and yields the replies of one clip after the other. Everything
else is here: which clips, what was finished before a kill, rows in the conversations' order, what they were computed
from. A shard i/n asks about every n-th clip, beginning with the i-th; scripts/merge_predictions.py puts shards together.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from roadtrain import gpus
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question, group_by_clip
from roadtrain.evaluate import failed_questions
from roadtrain.evaluate.failed_questions import FailedQuestion
from roadtrain.evaluate.predictions import (
    PredictionRow,
    PredictionsSource,
    UnansweredVideo,
    prediction_row,
    write_predictions,
)
from roadtrain.evaluate.replies import CannotAsk, Replies, Reply, ReplyStore
from roadtrain.evaluate.reply_key import reply_key
from roadtrain.files import sha256_file, write_json
from roadtrain.frames.index import FrameIndex
from roadtrain.markup import visible
from roadtrain.media import Clip
from roadtrain.model.checkpoints import CheckpointManifest, package_versions, present, read_manifest
from roadtrain.model.times import note_times
from roadtrain.spec.arguments import add_section
from roadtrain.spec.evaluate import Evaluate

ClipQuestions = dict[Clip, list[Question]]
# (arguments, checkpoint's manifest, frames, {clip: its questions}) -> replies of one clip after the other
AskClips = Callable[[argparse.Namespace, CheckpointManifest, FrameIndex, ClipQuestions], Iterator[Replies | CannotAsk]]


def shard_argument(value: str) -> tuple[int, int]:
    """`2/4` -> (2, 4)."""
    try:
        number, count = map(int, value.split("/"))
    except ValueError:
        number, count = 0, 0
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"{value}: should be i/n with i from 1 to n, as 1/4")
    return number, count


def evaluation_parser(description: str) -> argparse.ArgumentParser:
    """The arguments that every engine takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="manifest of the checkpoint")
    parser.add_argument("--llava", required=True, help="the questions")
    parser.add_argument("--frames", required=True, help="index of their frames")
    parser.add_argument("--system-prompt", required=True)
    add_section(parser, "evaluate", Evaluate)
    parser.add_argument(
        "--shard",
        type=shard_argument,
        default=(1, 1),
        metavar="I/N",
        help="ask every N-th video, beginning with the I-th",
    )
    parser.add_argument(
        "--without-media", action="store_true", help="the same prompts with videos and pictures taken out (a baseline)"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (%(default)s)")
    parser.add_argument("--predictions", required=True, type=Path)
    parser.add_argument("--source", required=True, help="what the predictions were computed from")
    return parser


def evaluate_checkpoint(args: argparse.Namespace, engine: str, packages: Sequence[str], ask_clips: AskClips) -> None:
    """Write the predictions and their source. Raises ValueError when there is no question, or no clip could be asked."""
    start = time.monotonic()
    manifest, frames = read_manifest(args.checkpoint), FrameIndex.load(args.frames)
    present(manifest)
    number, count = args.shard
    source = _source(args, engine, packages, manifest, frames)
    clips = _clips_of_shard(args.llava, number, count)
    store = ReplyStore(args.predictions, reply_key(args, engine, source, frames, clips))
    replies, reasons = dict(store.replies), {}
    waiting, failed, total = ClipQuestions(), dict[str, str](), sum(map(len, clips.values()))
    for clip, questions in clips.items():
        if clip not in frames:
            reasons[clip] = frames.reason(clip)
        elif not all(question.id in replies for question in questions):
            waiting[clip] = questions
    if waiting:
        bar = tqdm(
            ask_clips(args, manifest, frames, waiting),
            total=len(waiting),
            unit="video",
            desc=f"evaluate {manifest['checkpoint']}",
        )
        for result, clip in zip(bar, waiting, strict=True):
            if isinstance(result, CannotAsk):
                reasons[clip] = str(result)
                for question in waiting[clip]:  # a kill may have left some of its replies
                    replies.pop(question.id, None)
                print(visible(f"{clip.first.file}: {result}: its questions are unanswered"), file=sys.stderr)
            else:
                store.add(result)
                replies |= result
                failed |= {id: reply.failure for id, reply in result.items() if reply.failure is not None}
                failed_questions.check_share(failed, total, str(args.predictions))
    rows = [
        prediction_row(question, replies.get(question.id, Reply(None)), args.evaluate.reasoning is not None)
        for questions in clips.values()
        for question in questions
    ]
    unanswered: list[UnansweredVideo] = [
        {"video": clip.first.file, "reason": reason} for clip, reason in reasons.items()
    ]
    if count == 1:  # a small shard may have bad luck
        refuse_silence(rows, unanswered, args.llava)
    failures = failed_questions.as_list(failed)
    with store.open_file():  # else another job's predictions would be replaced by those of yesterday's settings
        save_predictions(args.predictions, args.source, rows, source, unanswered, args.llava, failures)
    store.remove()
    if waiting:
        answers = sum(question.id in replies for questions in waiting.values() for question in questions)
        seconds = round(time.monotonic() - start, 1)
        note_times(args.predictions.with_suffix(".times.json"), _gpus(args), seconds=seconds, questions=answers)


def _gpus(args: argparse.Namespace) -> int:
    """How many are in use: the vLLM engine is told, the local one takes one where there is one."""
    return min(getattr(args, "gpus", 1), len(gpus.visible()))


def _source(
    args: argparse.Namespace, engine: str, packages: Sequence[str], manifest: CheckpointManifest, frames: FrameIndex
) -> PredictionsSource:
    source: PredictionsSource = {
        "checkpoint": manifest["checkpoint"],
        "checkpoint_sha256": manifest["sha256"],
        "model": manifest["base_model"],
        "precision": manifest["precision"],
        "vision": frames.vision,
        "llava_sha256": sha256_file(args.llava),
        "frames_sha256": sha256_file(args.frames),
        "system_prompt": args.system_prompt,
        "max_new_tokens": args.evaluate.max_new_tokens,
        "answers": args.evaluate.answers,
        "captions": args.evaluate.captions.model_dump(),
        "engine": engine,
        "software": package_versions(*packages),
    }
    if args.evaluate.reasoning is not None:
        source["reasoning"] = args.evaluate.reasoning.model_dump()
    if args.without_media:
        source["media"] = "none"
    if hasattr(args, "reader"):  # evaluate_served.py's: finished clips of another reader are asked anew
        source["reader"] = args.reader
    number, count = args.shard
    if count > 1:
        source["shard"] = f"{number}/{count}"
    return source


def _clips_of_shard(llava: str, number: int, count: int) -> ClipQuestions:
    clips = group_by_clip(read_questions(llava))
    if not clips:
        raise ValueError(f"{llava}: no questions")
    of_shard = dict(list(clips.items())[number - 1 :: count])
    if not of_shard:
        raise ValueError(f"{llava}: {len(clips)} videos are too few for {count} shards")
    return of_shard


def refuse_silence(rows: Sequence[PredictionRow], unanswered: Sequence[UnansweredVideo], llava: str) -> None:
    """Raises ValueError when not one question could be asked: that is no accuracy of 0."""
    if unanswered and all(row["response"] is None for row in rows):
        first = unanswered[0]
        raise ValueError(f"{llava}: no video could be asked about (first: {first['video']}: {first['reason']})")


def save_predictions(
    predictions: str | Path,
    source_file: str | Path,
    rows: Sequence[PredictionRow],
    source: PredictionsSource,
    unanswered: Sequence[UnansweredVideo],
    llava: str,
    failed: Sequence[FailedQuestion] = (),
) -> None:
    """Rows in the conversations' order, whatever order they were made in. `failed`: those at which a server failed."""
    row_of = {row["id"]: row for row in rows}
    write_predictions(predictions, [row_of[question.id] for question in read_questions(llava) if question.id in row_of])
    in_order = sorted(unanswered, key=lambda video: (video["video"], video["reason"]))
    of_server = {"failed_questions": sorted(failed, key=lambda question: question["id"])} if failed else {}
    write_json(source_file, source | {"unanswered_videos": in_order} | of_server)
