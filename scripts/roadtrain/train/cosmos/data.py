"""Our questions, frames and tokens as cosmos-rl's SFT wants them: dataset, batch sampler, data packer.

cosmos-rl takes one item of its loader as one optimizer step: a list of samples, mini_batch of which become one forward pass.
Here a sample is a clip with its questions (shared-video) or with one of them (per-question); which ones a step holds is
decided by plan.py, so that they are the local engine's. Its loader processes hand over that plan and nothing else; tokens and
frames are read in the training process, a few clips ahead of the GPU, because a loader would send 0.2 GB of pixels a clip.
"""

from collections.abc import Iterator
from typing import Any

import torch
from cosmos_rl.dispatcher.data.packer.base import BaseDataPacker

from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import TokenSequence, build, dense_mask, vision_inputs
from roadtrain.train.cosmos import heartbeat, own_forward
from roadtrain.train.cosmos.ahead import Pass, SequencesAhead
from roadtrain.train.cosmos.hooks import PassTargets
from roadtrain.train.cosmos.plan import PlannedGroup, counting, epoch_steps, passes_from, rank_steps
from roadtrain.train.cosmos.run import run_of_config
from roadtrain.train.passes import check_length
from roadtrain.train.questions import read_frame_index, usable_questions

AHEAD = 3  # clips that are read and turned into patches while the GPU works on one: each takes one core 0.2 s or more


class QuestionDataset(torch.utils.data.Dataset):
    """Indexed by what the sampler yields, and that is what it gives: a group of the plan."""

    def __init__(self, config: Any) -> None:
        self.run = run_of_config(config)
        self.entries = usable_questions(self.run, read_frame_index(self.run))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, planned: PlannedGroup) -> PlannedGroup:
        return planned


class StepSampler:
    """Batch sampler: the groups of one optimizer step of this rank. Every epoch has as many steps."""

    def __init__(self, dataset: QuestionDataset, num_replicas: int, rank: int) -> None:
        self.dataset, self.ranks, self.rank, self.epoch = dataset, num_replicas, rank, 0
        self._count = len(epoch_steps(dataset.run, dataset.entries, num_replicas, 1))

    def set_epoch(self, epoch: int) -> None:
        """From 0, as cosmos-rl counts."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[PlannedGroup]]:
        data = self.dataset
        return iter(rank_steps(data.run, data.entries, self.ranks, self.rank, self.epoch + 1))

    def passes_from(self, first: PlannedGroup) -> Iterator[Pass]:
        """Those of this rank from the one that begins with `first` to the end of the run."""
        return passes_from(self.dataset.run, self.dataset.entries, self.ranks, self.rank, first)


class SequencePacker(BaseDataPacker):
    """A pass of the plan -> tokens and pixels -> what the model's forward takes.

    In every step cosmos-rl calls batch_size once, then for one pass after the other slice_batch, sft_compute_max_len and
    sft_collate_fn.
    """

    _current: tuple[Pass, TokenSequence] | None = None
    _groups = 0  # of the step in hand
    _compiling = False  # in the pass in hand

    def setup(self, config: Any, *args: Any, **kwargs: Any) -> None:
        """Called once in each process."""
        super().setup(config)
        self.run = run_of_config(config)
        self.frames = read_frame_index(self.run)
        processor = load_processor(self.run.model)
        self.prompter = Prompter(processor, self.run.system_prompt)
        self.video_token = processor.tokenizer.convert_tokens_to_ids("<|video_pad|>")
        self.own_forward = own_forward.is_on()
        self._sizes: set[tuple[int, str]] = set()  # what the layers were compiled for

    def follow(self, sampler: StepSampler) -> None:
        """The sampler whose passes will be asked for."""
        self.entries = sampler.dataset.entries
        self.execution = own_forward.execution_of(self.run)
        self._ahead = SequencesAhead(self._build, sampler.passes_from, AHEAD)

    def sft_process_sample(self, sample: PlannedGroup) -> PlannedGroup:
        """In a loader process, for which there is nothing to do."""
        return sample

    def batch_size(self, batch: list[PlannedGroup]) -> int:
        """How many groups the step has: cosmos-rl asks this first."""
        heartbeat.begin_phase("training")
        self._groups, self._current = len(batch), None
        return len(batch)

    def slice_batch(self, batch: list[PlannedGroup], start: int, end: int) -> list[PlannedGroup]:
        """One pass."""
        if self._compiling:
            heartbeat.begin_phase("training")
            self._compiling = False
        heartbeat.beat()
        return batch[start:end]

    def sft_compute_max_len(self, groups: list[PlannedGroup]) -> int:
        """Tokens of the pass."""
        return len(self._sequence(groups).input_ids)

    def sft_collate_fn(self, groups: list[PlannedGroup], computed_max_len: int, ignore_label_id: int) -> dict[str, Any]:
        """What the model's forward is called with: one sequence, never cut."""
        sequence, self._current = self._sequence(groups), None
        targets = PassTargets(sequence.targets, sequence.target_questions, groups[0].share)
        if not self.own_forward:
            return stock_inputs(sequence, self.execution.ranks.device) | {"label_ids": targets}
        if self.execution.attention == "flex":
            self._expect_compiling(sequence)
        is_last = groups[-1].place[2] + 1 == self._groups
        # No tensor: cosmos-rl would copy it to the GPU and wait until all work that it was given before is done.
        return {"input_ids": None, "sequence": sequence, "is_last": is_last, "label_ids": targets}

    @property
    def waited(self) -> float:
        """Seconds that passes have waited for their frames, in all."""
        return self._ahead.waited

    def _sequence(self, groups: list[PlannedGroup]) -> TokenSequence:
        """The sequence of a pass, which is the one in hand or the next one."""
        if self._current is None or self._current[0] != tuple(groups):
            self._current = tuple(groups), self._ahead.take(tuple(groups))
        return self._current[1]

    def _build(self, groups: Pass) -> TokenSequence:
        clips, first = [], ""
        for group in counting(groups):
            questions = [self.entries[n] for n in group.entries]
            first = first or questions[0].clip.first.file
            prefix = self.prompter.prefix(self.frames.read(questions[0].clip))
            clips.append((prefix, [self.prompter.segment(question) for question in questions]))
        sequence = build(clips, self.video_token)
        check_length(self.run, len(sequence.input_ids), first, clips=len(clips))
        return self.execution.prepare_sequence(sequence) if self.own_forward else sequence

    def _expect_compiling(self, sequence: TokenSequence) -> None:
        """A first sequence of its length, or a first video of its size, is compiled for: longer than the silence that
        a launcher puts up with while steps are trained."""
        size = len(sequence.input_ids), str(sequence.grid.tolist() + sequence.image_grid.tolist())
        if size not in self._sizes:
            self._sizes.add(size)
            self._compiling = True
            heartbeat.begin_phase("compiling")

    def get_rollout_input(self, item: Any) -> Any:
        """As the three below: nothing of SFT."""
        raise NotImplementedError("for reinforcement only")

    get_policy_input = policy_compute_max_len = policy_collate_fn = get_rollout_input


def stock_inputs(sequence: TokenSequence, device: torch.device) -> dict[str, Any]:
    """What transformers' own forward takes.

    The mask is given for one question too: with 3-row positions and without a mask transformers 4.57 takes the time
    stamps' positions for packed documents, and the text doesn't see the video.
    """
    return {
        "input_ids": sequence.input_ids[None],
        "position_ids": sequence.position_ids[:, None],
        "attention_mask": dense_mask(sequence.clip_ids.to(device), sequence.segment_ids.to(device)),
        **vision_inputs(sequence, torch.float32),
        "logits_to_keep": sequence.answer_positions,  # the head is not computed elsewhere
    }
