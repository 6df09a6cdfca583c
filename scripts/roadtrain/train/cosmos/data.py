"""Our questions, frames and tokens as cosmos-rl's SFT wants them: dataset, batch sampler, data packer, log.

cosmos-rl takes one item of its loader as one optimizer step: a list of samples, each of which becomes one forward pass.
Here a sample is a clip with its questions (shared-video) or with one of them (per-question); which ones a step holds is
decided by cosmos_plan.py, so that they are the local engine's. Loader processes tokenize questions; frames are read from
the cache in the training process, a few clips ahead of the GPU, because a loader would send 0.2 GB of pixels a clip.
"""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cosmos_rl.dispatcher.data.packer.base import BaseDataPacker

from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prompter, Segment
from roadtrain.model.sequences import TokenSequence, build, dense_mask, vision_inputs
from roadtrain.train import toml_config
from roadtrain.train.cosmos import heartbeat
from roadtrain.train.cosmos import plan as cosmos_plan
from roadtrain.train.cosmos.hooks import Targets
from roadtrain.train.optimizer import learning_rate

AHEAD = 3  # clips that are read and turned into patches while the GPU works on one: each takes one core 0.2 s or more


def read_run(config: Any) -> toml_config.TrainRun:
    """The run from cosmos-rl's own Config, which is our TOML with its defaults filled in."""
    return toml_config.parse_train_run(config.model_dump(), "cosmos-rl's config")


def usable_entries(run: toml_config.TrainRun) -> list[Question]:
    """The questions whose clip has frames. Raises ValueError when there are none."""
    index = FrameIndex.load(run.frames_index)
    entries = [entry for entry in read_questions(run.llava) if entry.clip in index]
    if not entries:
        raise ValueError(f"{run.llava}: no question has frames in {run.frames_index}: nothing to train on")
    return entries


@dataclass(frozen=True)
class Pass:
    """One forward pass, before its frames are read."""

    clip: Clip
    segments: tuple[Segment, ...]
    share: float  # what a question adds to the loss


class Questions(torch.utils.data.Dataset):
    """Indexed by what the sampler yields: questions[Item] -> (their entries, share)."""

    def __init__(self, config: Any):
        self.run = read_run(config)
        self.entries = usable_entries(self.run)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, item: cosmos_plan.Item) -> tuple[tuple[Question, ...], float]:
        return tuple(self.entries[n] for n in item.entries), item.share


class Steps:
    """Batch sampler: the items of one optimizer step of this rank. Every epoch has as many steps."""

    def __init__(self, dataset: Questions, num_replicas: int, rank: int):
        self.dataset, self.ranks, self.rank, self.epoch = dataset, num_replicas, rank, 0
        self._count = len(cosmos_plan.epoch_steps(dataset.run, dataset.entries, num_replicas, 1))

    def set_epoch(self, epoch: int) -> None:
        """From 0, as cosmos-rl counts."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[list[cosmos_plan.Item]]:
        data = self.dataset
        return iter(cosmos_plan.rank_steps(data.run, data.entries, self.ranks, self.rank, self.epoch + 1))


class Packer(BaseDataPacker):
    """Entries -> tokens -> what the model's forward takes."""

    waited = 0.0  # seconds that passes waited for their frames

    def setup(self, config: Any, *args: Any, **kwargs: Any) -> None:
        super().setup(config)
        self.run = read_run(config)
        self.frames = FrameIndex.load(self.run.frames_index)
        processor = load_processor(self.run.model)
        self.prompter = Prompter(processor, self.run.system_prompt)
        self.video_token = processor.tokenizer.convert_tokens_to_ids("<|video_pad|>")
        self._reading: dict[int, Future] = {}
        self._threads: ThreadPoolExecutor | None = None

    def sft_process_sample(self, sample: tuple[tuple[Question, ...], float]) -> Pass:
        """In a loader process."""
        entries, share = sample
        return Pass(entries[0].clip, tuple(self.prompter.segment(entry) for entry in entries), share)

    def batch_size(self, batch: list[Pass]) -> int:
        """cosmos-rl asks this first in a step."""
        heartbeat.enter("training")
        for one in batch[:AHEAD]:
            self._read(one)
        return len(batch)

    def slice_batch(self, batch: list[Pass], start: int, end: int) -> list[Pass]:
        heartbeat.beat()
        for one in batch[start : end + AHEAD]:  # and the next ones, while the GPU works on these
            self._read(one)
        return batch[start:end]

    def sft_compute_max_len(self, passes: list[Pass]) -> int:
        return max(len(self._wait(one).input_ids) for one in passes)

    def sft_collate_fn(self, passes: list[Pass], computed_max_len: int, ignore_label_id: int) -> dict[str, Any]:
        """One sequence, never padded and never cut.

        The mask is given for one question too: with 3-row positions and without a mask transformers 4.57 takes the time
        stamps' positions for packed documents, and the text doesn't see the video.
        """
        if len(passes) != 1:
            raise ValueError(f"train.train_policy.mini_batch: {len(passes)} must be 1")
        (one,) = passes
        sequence = self._wait(one)
        del self._reading[id(one)]
        device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
        owner = sequence.target_questions
        return {
            "input_ids": sequence.input_ids[None],
            "position_ids": sequence.position_ids[:, None],
            "attention_mask": dense_mask(sequence.clip_ids.to(device), sequence.segment_ids.to(device)),
            **vision_inputs(sequence, torch.float32),
            "logits_to_keep": sequence.answer_positions,  # the head is not computed elsewhere
            "label_ids": Targets(sequence.targets, one.share / torch.bincount(owner)[owner].float()),
        }

    def _read(self, one: Pass) -> Future:
        """Its sequence, being made in one of other threads."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(AHEAD)
        if id(one) not in self._reading:
            self._reading[id(one)] = self._threads.submit(self._build, one)
        return self._reading[id(one)]

    def _wait(self, one: Pass) -> TokenSequence:
        began = time.monotonic()
        sequence = self._read(one).result()
        self.waited += time.monotonic() - began
        return sequence

    def _build(self, one: Pass) -> TokenSequence:
        prefix = self.prompter.prefix(self.frames.read(one.clip))
        sequence = build([(prefix, one.segments)], self.video_token)
        if len(sequence.input_ids) > self.run.model_max_length:
            raise ValueError(
                f"{one.clip.first.file}: {len(sequence.input_ids)} tokens, more than model_max_length: {self.run.model_max_length}"
                " (train in the spec): raise it, lower the pixels, or set questions_per_video"
            )
        return sequence

    def get_rollout_input(self, item: Any) -> Any:
        raise NotImplementedError("for reinforcement only")

    get_policy_input = policy_compute_max_len = policy_collate_fn = get_rollout_input


class Log:
    """A line an optimizer step into ROADTRAIN_TRAIN_LOG (train_log.jsonl) and, for what was measured, train_times.jsonl
    beside it. cosmos-rl calls it on the first rank."""

    def __init__(self, packer: Packer) -> None:
        self.packer = packer
        self.path = Path(os.environ["ROADTRAIN_TRAIN_LOG"]) if "ROADTRAIN_TRAIN_LOG" in os.environ else None
        self.began = time.monotonic()
        self.run: toml_config.TrainRun | None = None

    def follow(self, data: Questions, ranks: int) -> None:
        """What the run holds, known when the sampler is made."""
        self.run, self.questions = data.run, cosmos_plan.questions_of_steps(data.run, data.entries, ranks)

    def __call__(self, report: dict[str, Any], step: int) -> None:
        heartbeat.beat()
        if self.path is None or self.run is None or "train/loss_avg" not in report:
            return
        run, now = self.run, time.monotonic()
        line = {
            "step": step,
            "epoch": report["train/epoch"] + 1,
            "loss": float(report["train/loss_avg"]),
            # The rate of this step: what cosmos-rl reports is already the next one's.
            "learning_rate": learning_rate(
                step - 1,
                peak=run.learning_rate,
                schedule=run.schedule,
                warmup=run.warmup_steps,
                total=len(self.questions),
            ),
            "grad_norm": float(report["optimizer/grad_norm"]),
            "questions": self.questions[step - 1],
        }
        _append(self.path, line)
        measured: dict[str, Any] = {
            "step": step,
            "seconds": round(now - self.began, 4),
            "waited_for_data": round(self.packer.waited, 4),
        }
        self.packer.waited = 0.0
        if torch.cuda.is_available():
            measured["peak_bytes"] = torch.cuda.max_memory_allocated()  # of the first rank, since the start
        _append(self.path.with_name("train_times.jsonl"), measured)
        self.began = now


def _append(path: Path, line: dict) -> None:
    with open(path, "a") as stream:
        stream.write(json.dumps(line) + "\n")
