"""A run of cosmos-rl, from what is on disk to a checkpoint and a manifest an epoch."""

import json
import shutil
from pathlib import Path

from roadtrain.cli import UserError
from roadtrain.frames.index import FrameIndex
from roadtrain.model import checkpoints
from roadtrain.train import logs
from roadtrain.train.cosmos import exports, supervise
from roadtrain.train.cosmos.node_process import NodeProcess, NodeSetup
from roadtrain.train.cosmos.plan import epoch_ends, questions_of_steps
from roadtrain.train.questions import usable_questions
from roadtrain.train.toml_config import TrainRun


class CosmosTraining:
    """Trains what is missing. Success is judged by the checkpoints, not by how cosmos-rl ended."""

    def __init__(self, run: TrainRun, frames: FrameIndex, setup: NodeSetup, origin: str) -> None:
        """`origin`: hash of what the run is made from. Raises ValueError when no question has frames."""
        self.run, self.setup, self.origin = run, setup, origin
        self.weights, self.folder = setup.weights, setup.folder
        questions = usable_questions(run, frames)
        self.ends = epoch_ends(run, questions, run.ranks)
        self.steps = self.ends[run.epochs]
        self.questions_of_steps = questions_of_steps(run, questions, run.ranks)

    def finish(self) -> None:
        """Train until every epoch is there. Raises UserError when one is missing afterwards, SystemExit after a signal."""
        if self.unfinished():
            self.train()
        shutil.rmtree(self.folder, ignore_errors=True)  # every epoch is there: nothing to resume

    def unfinished(self) -> bool:
        """Whether an epoch is missing when all that cosmos-rl exported is collected."""
        self.collect()
        return bool(self.missing_epochs())

    def train(self) -> None:
        """One start of cosmos-rl; what it finished is kept however it ends."""
        step = self.cut_back()
        process = NodeProcess(self.setup)
        try:
            ending = process.run(first=step, total=self.steps)
        finally:
            self.collect()
        missing = self.missing_epochs()
        if process.signal and missing:
            raise SystemExit(
                f"stopped by signal {process.signal}; start again to go on after step {self.resume_step()}"
            )
        if missing:
            reason = supervise.last_error(process.log)
            raise UserError(
                f"{self.weights}: epoch {missing[0]} is missing: cosmos-rl: {ending}{f' ({reason})' if reason else ''};"
                f" its log is {process.log};"
                f" start again to go on after step {self.resume_step()} of {self.steps}"
            )

    def missing_epochs(self) -> list[int]:
        """Epochs without a manifest."""
        return [epoch for epoch in self.ends if not self.manifest(epoch).exists()]

    def manifest(self, epoch: int) -> Path:
        """Where an epoch's manifest is."""
        return self.weights / f"epoch_{epoch}.json"

    def resume_step(self) -> int:
        """The step that cosmos-rl goes on after."""
        return exports.resume_step(self.folder, self.run.ranks)

    def cut_back(self) -> int:
        """Logs end where cosmos-rl will resume, and it resumes before an epoch whose export is missing. Returns the step."""
        missing = [self.ends[epoch] for epoch in self.missing_epochs()]
        lost = [step for step in missing if step <= self.resume_step()]
        if lost:
            exports.forget_states_from(self.folder, lost[0])
        step = self.resume_step()
        logs.cut_back(self.weights, step)
        return step

    def collect(self) -> None:
        """Exports of finished epochs become weights/<run>/<ablation>/epoch_<n>."""
        for epoch in self.missing_epochs():
            step, target = self.ends[epoch], self.weights / f"epoch_{epoch}"
            export = exports.find_export(self.folder, step, self.setup.base)
            if export is None:
                continue
            exports.make_checkpoint(export, self.setup.base, target, self.run.dtype)
            checkpoints.write_manifest(self.manifest(epoch), self.describe_epoch(epoch, target))
            print(f"{target}: epoch {epoch}, step {step}", flush=True)

    def describe_epoch(self, epoch: int, checkpoint: Path) -> checkpoints.CheckpointManifest:
        """An epoch's manifest."""
        step = self.ends[epoch]
        times = logs.read_log(self.weights / logs.TRAIN_TIMES, step)
        return checkpoints.describe(
            checkpoint,
            precision=self.run.dtype,
            epoch=epoch,
            step=step,
            steps=self.steps,
            questions=sum(self.questions_of_steps[:step]),
            base_model=self.run.model,
            fingerprint=self.origin,
            software=checkpoints.package_versions("torch", "transformers", "cosmos-rl"),
            device="cuda",
            seconds=round(sum(json.loads(line)["seconds"] for line in times), 1),
        )
