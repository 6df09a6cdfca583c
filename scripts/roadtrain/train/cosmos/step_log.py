"""The training log of cosmos-rl, in the local engine's words."""

import os
import time
from pathlib import Path
from typing import Any

import torch

from roadtrain.train.cosmos import heartbeat
from roadtrain.train.cosmos.data import QuestionDataset, SequencePacker
from roadtrain.train.cosmos.plan import questions_of_steps
from roadtrain.train.logs import TRAIN_TIMES, append_line
from roadtrain.train.optimizer import learning_rate
from roadtrain.train.toml_config import TrainRun


class StepLog:
    """A line an optimizer step into ROADTRAIN_TRAIN_LOG (train_log.jsonl) and, for what was measured, train_times.jsonl
    beside it. cosmos-rl calls it on the first rank."""

    def __init__(self, packer: SequencePacker) -> None:
        self.packer = packer
        self.path = Path(os.environ["ROADTRAIN_TRAIN_LOG"]) if "ROADTRAIN_TRAIN_LOG" in os.environ else None
        self.start, self.waited = time.monotonic(), 0.0  # when the last step ended; seconds waited for data until then
        self.run: TrainRun | None = None
        self.questions: list[int] = []  # of each step

    def follow(self, data: QuestionDataset, ranks: int) -> None:
        """What the run holds, known when the sampler is made."""
        self.run, self.questions = data.run, questions_of_steps(data.run, data.entries, ranks)

    def __call__(self, report: dict[str, Any], step: int) -> None:
        """`report` is cosmos-rl's, after step `step` (from 1)."""
        heartbeat.beat()
        if self.path is None or self.run is None or "train/loss_avg" not in report:
            return
        now, waited = time.monotonic(), self.packer.waited
        append_line(self.path, self.line(self.run, report, step))
        times: dict[str, Any] = {
            "step": step,
            "seconds": round(now - self.start, 4),
            "waited_for_data": round(waited - self.waited, 4),
        }
        if torch.cuda.is_available():
            times["peak_bytes"] = torch.cuda.max_memory_allocated()  # of the first rank, since the start
        append_line(self.path.with_name(TRAIN_TIMES), times)
        self.start, self.waited = now, waited

    def line(self, run: TrainRun, report: dict[str, Any], step: int) -> dict[str, Any]:
        """A line of train_log.jsonl: no clock in it."""
        # The rate of this step: what cosmos-rl reports is already the next one's.
        rate = learning_rate(
            step - 1,
            peak=run.learning_rate,
            schedule=run.schedule,
            warmup=run.warmup_steps,
            total=len(self.questions),
        )
        return {
            "step": step,
            "epoch": report["train/epoch"] + 1,
            "loss": float(report["train/loss_avg"]),
            "learning_rate": rate,
            "grad_norm": float(report["optimizer/grad_norm"]),
            "questions": self.questions[step - 1],
        }
