"""The vllm engine asks: clip after clip, all questions of a clip in one batch."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator

from roadtrain.evaluate.evaluation import ClipQuestions
from roadtrain.evaluate.replies import CannotAsk, Replies
from roadtrain.evaluate.vllm import process
from roadtrain.evaluate.wording import wording_of
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip
from roadtrain.model.checkpoints import CheckpointManifest


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
    process.set_environment(args.threads)
    from roadtrain.evaluate.vllm.asking import VllmAsker

    options = process.vllm_options(args.model_max_length, args.gpus, most_media(clips))
    asker = VllmAsker(manifest["path"], args.system_prompt, options)
    only_letters = args.evaluate.answers == "letters"
    for number, (clip, questions) in enumerate(clips.items()):
        wordings = [wording_of(question, args.evaluate) for question in questions]
        try:
            if args.without_media:
                yield asker.ask_without_media(clip, questions, wordings, only_letters=only_letters)
                continue
            names = [row["file"] for row in frames.rows_of(clip)]
            yield asker.ask(frames.read(clip), names, questions, wordings, only_letters=only_letters, check=number == 0)
        except CannotAsk as reason:
            yield reason
    print(asker.cache_use.in_words(), flush=True)
