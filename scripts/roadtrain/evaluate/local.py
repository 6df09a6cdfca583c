"""The local engine asks: plain PyTorch, a clip read once for all its questions."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadtrain.data.question import Question
from roadtrain.evaluate.evaluation import ClipQuestions
from roadtrain.evaluate.replies import CannotAsk, Replies, Reply, letter_probabilities, letter_tokens
from roadtrain.evaluate.wording import Wording, check_open_answers, wording_of
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip
from roadtrain.model.checkpoints import CheckpointManifest
from roadtrain.model.loading import load_model, load_processor
from roadtrain.model.prefetch import Prefetched, Room
from roadtrain.model.prompts import Prefix, Prompter, Segment, media_tokens, pixel_bytes

if TYPE_CHECKING:
    from roadtrain.evaluate.generation import GeneratedAnswer

THREADS = 4  # that read and tokenize the next clips: a GPU answers faster than a core prepares
ROOM = 1 << 30  # bytes of their pixels, in float32
TOGETHER = 4  # clips in one pass of a GPU, if all of them together have at most ..
TOKENS = 16_384  # vision tokens

Work = tuple[Clip, list[Question]]


@dataclass(frozen=True)
class ClipPrompts:
    """A clip's questions as the model takes them."""

    questions: list[Question]
    prefix: Prefix
    segments: list[Segment]
    wordings: list[Wording]
    letters: list[list[int]]  # token ids of each question's option letters


def answers_on_gpu() -> bool:
    """Whether this machine's GPU answers, and not its CPU."""
    import torch

    return torch.cuda.is_available()


def load_for_answers(path: str | Path) -> Any:
    """A checkpoint on this machine's GPU, or its CPU, ready to generate. A CPU computes in float32: bfloat16 is slower
    there, and rounds differently from one CPU to the next. An adapter stays beside its base's weights."""
    from roadtrain.evaluate.generation import prepare_model

    device = "cuda" if answers_on_gpu() else "cpu"
    return prepare_model(load_model(path, "float32" if device == "cpu" else "auto", merge=False).to(device).eval())


class LocalAsker:
    """A loaded checkpoint and how a split's clips are read for it."""

    def __init__(
        self, args: argparse.Namespace, manifest: CheckpointManifest, frames: FrameIndex, clips: Iterable[Clip]
    ) -> None:
        import torch

        from roadtrain.evaluate.decoding import fixed_keys
        from roadtrain.model.features import FeatureCache

        torch.set_num_threads(args.threads)
        self._args, self._frames = args, frames
        self.prompter = Prompter(load_processor(manifest["path"]), args.system_prompt)
        self.model = load_for_answers(manifest["path"])
        self._fixed = fixed_keys(self.model)
        self._on_gpu = self.model.lm_head.weight.is_cuda
        # On a CPU other threads would take the time of those that compute.
        self.threads = min(THREADS, args.threads) if self._on_gpu else 0
        self._features: FeatureCache | None = None
        if (cut := manifest.get("features")) and not args.without_media:
            self._features = FeatureCache(self.model.model.visual, cut, self.prompter, frames)
            self._features.fill(clips, threads=self.threads)

    def room(self) -> Room[Work]:
        """For the clips that are read ahead."""
        return Room(ROOM, lambda work: 0 if self._args.without_media else pixel_bytes(self._frames.rows_of(work[0])))

    def prompts(self, work: Work) -> ClipPrompts:
        """Read and tokenize a clip with its questions. Threads may call it side by side."""
        clip, questions = work
        tokenizer = self.prompter.processor.tokenizer
        return ClipPrompts(
            questions,
            self._prefix(clip),
            [self.prompter.segment(question) for question in questions],
            [wording_of(question, self._args.evaluate) for question in questions],
            [letter_tokens(tokenizer, question.options) for question in questions],
        )

    def groups(self, items: Iterable[Work]) -> Iterator[list[Work]]:
        """Clips that go through the model together: neighbours on a GPU, each alone on a CPU. That saves steps of
        decoding; where only letters are said there are none."""
        most = TOGETHER if self._on_gpu and self._args.evaluate.answers == "free" else 1
        group: list[Work] = []
        tokens = 0
        for work in items:
            more = 0 if self._args.without_media else media_tokens(self._frames.rows_of(work[0]))
            if group and (len(group) == most or tokens + more > TOKENS):
                yield group
                group, tokens = [], 0
            group.append(work)
            tokens += more
        if group:
            yield group

    def replies(self, clips: Sequence[ClipPrompts]) -> list[Replies]:
        """Ask the model about some clips together."""
        from roadtrain.evaluate.generation import generate_together

        answers = iter(
            generate_together(
                self.model,
                [(clip.prefix, clip.segments) for clip in clips],
                stop_tokens=self.prompter.stop_tokens,
                wordings=[wording for clip in clips for wording in clip.wordings],
                letters=[ids for clip in clips for ids in clip.letters],
                only_letters=self._args.evaluate.answers == "letters",
                fixed=self._fixed,
            )
        )
        return [{question.id: self._reply(question, next(answers)) for question in clip.questions} for clip in clips]

    def _reply(self, question: Question, answer: "GeneratedAnswer") -> Reply:
        words = self.prompter.processor.tokenizer.decode(answer.tokens).strip()
        return Reply(words, letter_probabilities(list(question.options), answer.letter_logits))

    def _prefix(self, clip: Clip) -> Prefix:
        if self._args.without_media:
            prefix = self.prompter.prefix_without_media(clip)
        elif self._features:
            prefix = self._features.prefix(clip)
        else:
            prefix = self.prompter.prefix(self._frames.read(clip))
        return prefix.pinned(self.model.lm_head.weight.dtype) if self._on_gpu else prefix


def ask_clips(
    args: argparse.Namespace, manifest: CheckpointManifest, frames: FrameIndex, clips: ClipQuestions
) -> Iterator[Replies | CannotAsk]:
    """The replies of one clip after the other."""
    asker = LocalAsker(args, manifest, frames, clips)
    check_open_answers(chain(*clips.values()), args.evaluate, asker.prompter.answer_tokens)
    yield from replies_in_turn(asker, clips)


def replies_in_turn(asker: LocalAsker, clips: ClipQuestions) -> Iterator[Replies | CannotAsk]:
    """The same of a checkpoint that is loaded; the next clips are read while the model answers."""
    items = list(clips.items())
    with Prefetched(asker.prompts, items, asker.threads, asker.room()) as prepared:
        for group in asker.groups(items):
            yield from asker.replies([next(prepared) for _ in group])
            for work in group:
                prepared.release(work)
