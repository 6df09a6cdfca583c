"""Tokens of a run's sequences. Exact when the model's tokenizer is on this machine; vision tokens always are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from roadtrain.data.question import Question
from roadtrain.frames.sampling import TEMPORAL, Picture, Sampling
from roadtrain.media import Clip, Words
from roadtrain.model.plain_text import PlainText
from roadtrain.train.preflight.media import ClipPlan, SeveralPlans

TURN = "<|im_end|>\n<|im_start|>assistant\n"  # between a question and its answer
NEXT_TURN = "<|im_end|>\n<|im_start|>user\n"  # between an answer and the next question


@dataclass(frozen=True)
class Counter:
    """Counts a text's tokens. What people wrote goes through `plain` before it is put between control tokens: training
    reads none in it (roadtrain.model.plain_text)."""

    count: Callable[[str], int]
    plain: Callable[[str], str] = str

    def __call__(self, text: str) -> int:
        return self.count(text)


@dataclass(frozen=True)
class ClipTokens:
    """Of the sequence that a clip and its questions make."""

    prefix: int  # system prompt and media
    questions: list[int]  # each with its answer

    def longest_sequence(self, questions_per_sequence: int | None) -> int:
        """With so many questions in a sequence (None: all), the longest of them."""
        count = questions_per_sequence or len(self.questions)
        return self.prefix + sum(sorted(self.questions)[-count:])


def clip_tokens(
    clips: Mapping[Clip, list[Question]], plans: Mapping[Clip, ClipPlan], count: Counter, system_prompt: str
) -> dict[Clip, ClipTokens]:
    """Of every clip with its questions."""
    return {
        clip: ClipTokens(
            prefix_tokens(*plans[clip], count, system_prompt),
            [question_tokens(question, count) for question in questions],
        )
        for clip, questions in clips.items()
    }


def prefix_tokens(
    plan: Sampling | Picture | SeveralPlans, fps: float | None, count: Counter, system_prompt: str
) -> int:
    """Tokens of system prompt and media, as the processor of transformers 5 writes them."""
    opening = count(f"<|im_start|>system\n{count.plain(system_prompt)}<|im_end|>\n<|im_start|>user\n")
    if not isinstance(plan, SeveralPlans):
        return opening + _medium_tokens(plan, fps, count)
    words = [part for part in plan.parts if isinstance(part, Words)]
    turns = sum(part.speaker == "model" for part in words)
    between = sum(count(count.plain(part.text)) for part in words) + turns * count(f"{TURN}{NEXT_TURN}")
    return opening + between + sum(_medium_tokens(*medium, count) for medium in plan.media)


def _medium_tokens(plan: Sampling | Picture, fps: float | None, count: Counter) -> int:
    """Per frame pair a time stamp and the vision tokens between <|vision_start|> and <|vision_end|>, and an outer pair
    around all; a picture has that pair alone."""
    if isinstance(plan, Picture):
        return 2 + plan.vision_tokens
    assert fps is not None  # every video has a rate
    pairs = zip(plan.indices[::TEMPORAL], plan.indices[1::TEMPORAL], strict=True)
    stamps = sum(count(f"<{(a / fps + b / fps) / 2:.1f} seconds>") + 2 for a, b in pairs)
    return 2 + stamps + plan.vision_tokens


def question_tokens(question: Question, count: Counter) -> int:
    """Tokens of a question, of the turns before it, and of its answer."""
    plain = count.plain
    before = "".join(f"{plain(turn.prompt)}{TURN}{plain(turn.answer)}{NEXT_TURN}" for turn in question.history)
    return count(f"{before}{plain(question.prompt)}{TURN}{plain(question.trained_answer())}<|im_end|>")


def tokenizer_of(model: str) -> Counter | None:
    """Counts by the model's own tokenizer; None when it isn't on this machine."""
    file = Path(model) / "tokenizer.json"
    if not file.exists():
        return None
    from tokenizers import Tokenizer

    tokens = PlainText(Tokenizer.from_file(str(file)))
    return Counter(cache(lambda text: len(tokens.encode(text))), tokens.escape)


def estimated_tokens(text: str) -> int:
    """Tokens of a text without its tokenizer: one for three characters, more than English has."""
    return len(text) // 3 + 1


ESTIMATE = Counter(estimated_tokens)
