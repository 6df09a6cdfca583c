"""Open questions about some clips, asked of one checkpoint after the other. Nothing here is scored."""

import gc
from collections.abc import Sequence
from typing import TypeVar

from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip

T = TypeVar("T")


def evenly_spread(items: Sequence[T], count: int) -> list[T]:
    """`count` of them (or all there are), in their order."""
    count = min(count, len(items))
    return [items[n * len(items) // count] for n in range(count)]


def answer_about_clips(
    checkpoint: str,
    frames: FrameIndex,
    clips: Sequence[Clip],
    questions: Sequence[str],
    *,
    system_prompt: str,
    max_new_tokens: int,
    threads: int,
) -> list[str]:
    """Question by question, each about every clip. A clip is read once. `checkpoint`: its directory."""
    import torch

    from roadtrain.evaluate.asking import Asker, lone_question

    torch.set_num_threads(threads)
    asker = Asker(checkpoint, system_prompt)
    open_questions = [lone_question(question) for question in questions]
    answers = [asker.ask(frames.read(clip), open_questions, max_new_tokens) for clip in clips]
    del asker
    gc.collect()  # the next checkpoint needs the room
    return [of_clip[q].response or "" for q in range(len(questions)) for of_clip in answers]
