"""The vllm engine asks: clip after clip, all questions of a clip in one batch, on a GPU several clips at a time."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from roadtrain.data.question import Question
from roadtrain.evaluate.evaluation import ClipQuestions
from roadtrain.evaluate.replies import CannotAsk, Replies
from roadtrain.evaluate.vllm import process
from roadtrain.evaluate.vllm.flight import InFlight
from roadtrain.evaluate.vllm.options import vllm_options
from roadtrain.evaluate.wording import check_open_answers, wording_of
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip
from roadtrain.model.checkpoints import CheckpointManifest
from roadtrain.model.prefetch import Prefetched, Room
from roadtrain.model.prompts import pixel_bytes

if TYPE_CHECKING:  # the Python that runs this may have no vLLM until it is started again
    from roadtrain.evaluate.vllm.asking import ClipRequests, VllmAsker

ROOM = 1 << 30  # bytes of clips in flight: pixels in float32, as the processor makes them
MOST = 32  # clips in flight, however small: what a kill costs

NumberedClip = tuple[int, Clip, list[Question]]


def most_media(clips: Iterable[Clip]) -> dict[str, int]:
    """{kind: how many of it a prompt has at most}."""
    most: Counter[str] = Counter()
    for clip in clips:
        most |= Counter(medium.kind for medium in clip.media)
    return dict(most)


def ask_clips(
    args: argparse.Namespace, manifest: CheckpointManifest, frames: FrameIndex, clips: ClipQuestions
) -> Iterator[Replies | CannotAsk]:
    """The replies of one clip after the other. Call it in a Python that has vLLM (process.enter_vllm)."""
    asker = load(args, manifest, clips)
    check_open_answers(chain(*clips.values()), args.evaluate, asker.prompter.answer_tokens)
    yield from replies_in_flight(asker, args, frames, clips)
    print(asker.cache_use.in_words(), flush=True)


def load(args: argparse.Namespace, manifest: CheckpointManifest, clips: Iterable[Clip]) -> "VllmAsker":
    """Start vLLM with the checkpoint, for clips like these."""
    process.set_environment(args.threads)
    from roadtrain.evaluate.vllm.asking import VllmAsker

    options = vllm_options(args.model_max_length, args.gpus, most_media(clips), args.kv_cache_gib)
    return VllmAsker(manifest["path"], args.system_prompt, options)


def replies_in_flight(
    asker: "VllmAsker", args: argparse.Namespace, frames: FrameIndex, clips: ClipQuestions
) -> Iterator[Replies | CannotAsk]:
    """The same of a checkpoint that is loaded."""

    room = Room[NumberedClip](ROOM, lambda item: 0 if args.without_media else size_of(frames, item[1]))
    items = [(number, clip, questions) for number, (clip, questions) in enumerate(clips.items())]
    # One thread: vLLM's processor is made for one. On a CPU it would take the time of those that compute.
    threads = 1 if args.gpus else 0
    with Prefetched(partial(prompts_of, asker, args, frames), items, threads, room) as prepared:
        yield from InFlight(asker, items, prepared, most=MOST if args.gpus else 1).replies()


def size_of(frames: FrameIndex, clip: Clip) -> int:
    """Bytes that a clip takes while it is in flight."""
    return pixel_bytes(frames.rows_of(clip))


def prompts_of(
    asker: "VllmAsker", args: argparse.Namespace, frames: FrameIndex, item: NumberedClip
) -> "ClipRequests | CannotAsk":
    """Read and tokenize a clip with its questions, or why it can't be asked about."""
    number, clip, questions = item
    wordings = [wording_of(question, args.evaluate) for question in questions]
    only_letters = args.evaluate.answers == "letters"
    try:
        if args.without_media:
            return asker.prompts_without_media(clip, questions, wordings, only_letters=only_letters)
        # A clip's own names: vLLM's two processes need not forget the media of one clip in step with those of another.
        names = [f"{number}:{row['file']}" for row in frames.rows_of(clip)]
        return asker.prompts(
            frames.read(clip), names, questions, wordings, only_letters=only_letters, check=number == 0
        )
    except CannotAsk as reason:
        return reason
