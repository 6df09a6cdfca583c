"""Our questions, frames and tokens as cosmos-rl's SFT wants them: dataset, batch sampler, data packer.

cosmos-rl takes one item of its loader as one optimizer step: a list of samples, each of which becomes one forward pass.
Here a sample is a clip with its questions (shared-video) or with one of them (per-question); which ones a step holds is
decided by plan.py, so that they are the local engine's. Loader processes tokenize questions; frames are read from
the cache in the training process, a few clips ahead of the GPU, because a loader would send 0.2 GB of pixels a clip.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from cosmos_rl.dispatcher.data.packer.base import BaseDataPacker

from roadtrain.data.question import Question
from roadtrain.media import Clip
from roadtrain.model.loading import load_processor
from roadtrain.model.prefetch import Prefetched
from roadtrain.model.prompts import Prompter, Segment
from roadtrain.model.sequences import TokenSequence, build, dense_mask, vision_inputs
from roadtrain.train.cosmos import heartbeat
from roadtrain.train.cosmos.hooks import PassTargets
from roadtrain.train.cosmos.plan import PlannedPass, epoch_steps, rank_steps
from roadtrain.train.questions import read_frame_index, usable_questions
from roadtrain.train.toml_config import TrainRun, parse_train_run

AHEAD = 3  # clips that are read and turned into patches while the GPU works on one: each takes one core 0.2 s or more


def run_of_config(config: Any) -> TrainRun:
    """The run from cosmos-rl's own Config, which is our TOML with its defaults filled in."""
    return parse_train_run(config.model_dump(), "cosmos-rl's config")


@dataclass(frozen=True)
class PassQuestions:
    """One forward pass, before its frames are read."""

    clip: Clip
    segments: tuple[Segment, ...]
    share: float  # what a question adds to the loss


class QuestionDataset(torch.utils.data.Dataset):
    """Indexed by what the sampler yields: dataset[PlannedPass] -> (its questions, share)."""

    def __init__(self, config: Any) -> None:
        self.run = run_of_config(config)
        self.entries = usable_questions(self.run, read_frame_index(self.run))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, planned: PlannedPass) -> tuple[tuple[Question, ...], float]:
        return tuple(self.entries[n] for n in planned.entries), planned.share


class StepSampler:
    """Batch sampler: the passes of one optimizer step of this rank. Every epoch has as many steps."""

    def __init__(self, dataset: QuestionDataset, num_replicas: int, rank: int) -> None:
        self.dataset, self.ranks, self.rank, self.epoch = dataset, num_replicas, rank, 0
        self._count = len(epoch_steps(dataset.run, dataset.entries, num_replicas, 1))

    def set_epoch(self, epoch: int) -> None:
        """From 0, as cosmos-rl counts."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[PlannedPass]]:
        data = self.dataset
        return iter(rank_steps(data.run, data.entries, self.ranks, self.rank, self.epoch + 1))


class SequencePacker(BaseDataPacker):
    """Questions -> tokens -> what the model's forward takes.

    In every step cosmos-rl calls batch_size once, then for one pass after the other slice_batch, sft_compute_max_len and
    sft_collate_fn: the step's sequences are made ahead in this order.
    """

    _ahead: Prefetched[PassQuestions, TokenSequence] | None = None  # the sequences of the step in hand
    _current: tuple[PassQuestions, TokenSequence] | None = None
    _waited_before = 0.0  # seconds, in the steps before

    def setup(self, config: Any, *args: Any, **kwargs: Any) -> None:
        """Called once in each process."""
        super().setup(config)
        self.run = run_of_config(config)
        self.frames = read_frame_index(self.run)
        processor = load_processor(self.run.model)
        self.prompter = Prompter(processor, self.run.system_prompt)
        self.video_token = processor.tokenizer.convert_tokens_to_ids("<|video_pad|>")

    def sft_process_sample(self, sample: tuple[tuple[Question, ...], float]) -> PassQuestions:
        """In a loader process."""
        entries, share = sample
        return PassQuestions(entries[0].clip, tuple(self.prompter.segment(entry) for entry in entries), share)

    def batch_size(self, batch: list[PassQuestions]) -> int:
        """cosmos-rl asks this first in a step: its frames are being read from here on."""
        heartbeat.begin_phase("training")
        if self._ahead is not None:
            self._ahead.close()
            self._waited_before += self._ahead.waited
        self._ahead, self._current = Prefetched(self._build, batch, threads=AHEAD), None
        return len(batch)

    def slice_batch(self, batch: list[PassQuestions], start: int, end: int) -> list[PassQuestions]:
        """The questions of one pass."""
        heartbeat.beat()
        return batch[start:end]

    def sft_compute_max_len(self, passes: list[PassQuestions]) -> int:
        """Tokens of the pass."""
        return len(self._sequence(passes).input_ids)

    def sft_collate_fn(
        self, passes: list[PassQuestions], computed_max_len: int, ignore_label_id: int
    ) -> dict[str, Any]:
        """One sequence, never padded and never cut.

        The mask is given for one question too: with 3-row positions and without a mask transformers 4.57 takes the time
        stamps' positions for packed documents, and the text doesn't see the video.
        """
        sequence, self._current = self._sequence(passes), None
        device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
        return {
            "input_ids": sequence.input_ids[None],
            "position_ids": sequence.position_ids[:, None],
            "attention_mask": dense_mask(sequence.clip_ids.to(device), sequence.segment_ids.to(device)),
            **vision_inputs(sequence, torch.float32),
            "logits_to_keep": sequence.answer_positions,  # the head is not computed elsewhere
            "label_ids": PassTargets(sequence.targets, sequence.target_questions, passes[0].share),
        }

    @property
    def waited(self) -> float:
        """Seconds that passes have waited for their frames, in all."""
        return self._waited_before + (self._ahead.waited if self._ahead is not None else 0.0)

    def _sequence(self, passes: list[PassQuestions]) -> TokenSequence:
        """The sequence of a pass, which is the one in hand or the next one of the step."""
        if len(passes) != 1:
            raise ValueError(f"train.train_policy.mini_batch: {len(passes)} must be 1")
        if self._current is None or self._current[0] is not passes[0]:
            if self._ahead is None:
                raise RuntimeError("cosmos-rl didn't call batch_size first: another release?")
            self._current = passes[0], next(self._ahead)
        return self._current[1]

    def _build(self, questions: PassQuestions) -> TokenSequence:
        prefix = self.prompter.prefix(self.frames.read(questions.clip))
        sequence = build([(prefix, questions.segments)], self.video_token)
        if len(sequence.input_ids) > self.run.model_max_length:
            raise ValueError(
                f"{questions.clip.first.file}: {len(sequence.input_ids)} tokens, more than model_max_length: {self.run.model_max_length}"
                " (train in the spec): raise it, lower the pixels, or set questions_per_video"
            )
        return sequence

    def get_rollout_input(self, item: Any) -> Any:
        """As the three below: nothing of SFT."""
        raise NotImplementedError("for reinforcement only")

    get_policy_input = policy_compute_max_len = policy_collate_fn = get_rollout_input
