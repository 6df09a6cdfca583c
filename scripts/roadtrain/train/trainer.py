"""The local engine: one training run from its TOML to a checkpoint an epoch. Setup, epochs of steps, saving.

What a step does is train/step.py, which questions it holds train/batches.py, how this machine computes train/execution.py.
"""

import os
import resource
import shutil
import signal
import sys
import time
from itertools import accumulate, islice
from pathlib import Path
from random import Random

import torch
from tqdm import tqdm

from roadtrain.files import sha256_json
from roadtrain.frames.index import FrameIndex
from roadtrain.model import checkpoints, compiled, flops
from roadtrain.model.features import FeatureCache, cut_of
from roadtrain.model.loading import load_model, load_processor
from roadtrain.model.lora import add_adapters
from roadtrain.model.parts import freeze_parts, trainable
from roadtrain.model.prefetch import Prefetched
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import TokenSequence
from roadtrain.train import batches, heap, logs, memory
from roadtrain.train.batches import Group
from roadtrain.train.distributed import Ranks, join_ranks, leave_ranks, passes_of_rank
from roadtrain.train.execution import Execution
from roadtrain.train.export import AdapterExport, export_checkpoint
from roadtrain.train.optimizer import Optimizers, learning_rate
from roadtrain.train.passes import PassBuilder
from roadtrain.train.questions import usable_questions
from roadtrain.train.state import Progress, load_state, save_state
from roadtrain.train.step import OptimizerStep, StepResult
from roadtrain.train.toml_config import TrainRun

READERS = 4  # threads that read and tokenize clips ahead of a GPU


class Trainer:
    """One of them on each GPU. `root` is where checkpoints, logs and state go, `origin` what the run is made from
    (run_folder.fingerprint), `threads` how many CPU threads a machine's ranks have together."""

    def __init__(self, run: TrainRun, frames: FrameIndex, base: Path, root: Path, origin: dict[str, str], threads: int):
        self.run, self.root, self.origin = run, root, origin
        self.ranks = _start_rank(run, threads)
        self.threads = max(1, threads // self.ranks.on_node)
        self.execution = Execution.fastest(self.ranks, run.dtype)
        self.questions = usable_questions(run, frames)
        self.processor = load_processor(base)
        # Float32 master weights; where some are frozen, these stay as they are on disk until set_types.
        self.model = load_model(base, "auto" if run.freeze or run.lora else "float32").train()
        freeze_parts(self.model, run.freeze)
        self.adapter = AdapterExport.of(run, origin["base"])
        if self.adapter:
            add_adapters(self.model, self.adapter.settings, run.seed)
        self.model.config.use_cache = False
        self.execution.set_types(self.model)
        prompter = Prompter(self.processor, run.system_prompt)
        self.features = self.fill_features(prompter, frames) if run.reads_features else None
        self.passes = PassBuilder(
            run, frames, prompter, self.model.config.video_token_id, self.execution, self.features
        )
        plan = self.memory_plan(base)
        self.describe(plan)
        answer_model = self.execution.prepare_model(self.model, plan)
        self.optimizer = Optimizers(
            self.model, run.optimizer, run.learning_rate, run.weight_decay, run.epsilon, run.learning_rates
        )
        self.optimizer_step = OptimizerStep(
            answer_model,
            self.optimizer,
            self.execution,
            max_grad_norm=run.max_grad_norm,
            gather_always=plan.gather_always,
        )
        self.stop_signals = _catch_stop_signals()
        self.waited = self.spent = 0.0  # seconds of steps on a GPU, and how many of them it waited for data

    def fill_features(self, prompter: Prompter, frames: FrameIndex) -> FeatureCache:
        """The frozen tower's outputs for every clip of the run, computed by all ranks where they are missing."""
        tower, ranks = self.model.model.visual, self.ranks
        cut = cut_of(tower)
        assert cut is not None  # run.reads_features says that the tower is frozen
        features = FeatureCache(tower.to(ranks.device), cut, prompter, frames, self.execution.autocast)
        clips = dict.fromkeys(question.clip for question in self.questions)
        features.fill(clips, (ranks.rank, ranks.count), min(READERS, self.threads) if self.execution.on_gpu else 0)
        ranks.wait()
        return features

    def memory_plan(self, base: Path) -> memory.MemoryPlan:
        """What fits the GPU, by the largest passes of the first epoch."""
        run = self.run
        if not self.execution.on_gpu:
            return memory.MemoryPlan(float(run.gradient_checkpointing == "on"), False, 0)
        passes = (groups for batch in self.batches(1) for groups in batches.passes(batch, run.mini_batch))
        tokens, patches = self.passes.largest(passes)
        architecture = flops.architecture(str(base))
        assert architecture is not None  # a model's directory has a config.json
        return memory.choose(
            architecture,
            torch.cuda.mem_get_info()[1],
            run.gradient_checkpointing,
            ranks=self.ranks.count,
            tokens=tokens,
            patches=patches,
            width=2 if run.dtype == "bfloat16" else 4,
            learning=memory.Learning.of(
                architecture,
                run.frozen_parts,
                self.trained_weights if run.lora else 0,
                run.reads_features,
                run.optimizer,
            ),
        )

    def describe(self, plan: memory.MemoryPlan) -> None:
        """Say how a GPU is used."""
        if not self.execution.on_gpu:
            return
        self.say(f"{torch.cuda.get_device_name()} x {self.ranks.count}: {plan}")
        if self.execution.attention == "dense":
            self.say(f"attention by SDPA with a dense mask, nothing compiled: {compiled.impossible()}")

    def batches(self, epoch: int) -> list[list[Group]]:
        """The questions of each optimizer step of an epoch: the TOML's, on however many nodes its CPUs are."""
        return batches.epoch_batches(self.run, self.questions, epoch=epoch, ranks=self.run.ranks)

    def train(self) -> None:
        """Every epoch that isn't finished. Raises SystemExit after a signal, ValueError when the loss is not a number."""
        epochs = range(1, self.run.epochs + 1)
        ends = list(accumulate(len(self.batches(epoch)) for epoch in epochs))  # each epoch's last step
        self.total = ends[-1]
        self.progress = load_state(self.root, self.model, self.optimizer) or Progress()
        if self.ranks.first:
            logs.cut_back(self.root, self.progress.step)
        with tqdm(
            total=self.total,
            initial=self.progress.step,
            unit="step",
            desc=f"train {self.root.name}",
            disable=not self.ranks.first,
        ) as bar:
            for epoch, end in zip(epochs, ends, strict=True):
                if self.progress.step < end:
                    self.train_epoch(epoch, end, bar)
                if self.progress.step == end and not self.manifest(epoch).exists():
                    self.save_epoch(epoch)
        self.finish()

    def train_epoch(self, epoch: int, end: int, bar: tqdm) -> None:
        """The steps of an epoch that are left, up to step `end`."""
        epoch_batches = self.batches(epoch)
        remaining = epoch_batches[len(epoch_batches) - (end - self.progress.step) :]
        shares = [passes_of_rank(batches.passes(batch, self.run.mini_batch), self.ranks) for batch in remaining]
        groups = (groups for share in shares for groups, _ in share)
        # On a CPU other threads would take its time.
        threads = min(READERS, self.threads) if self.execution.on_gpu else 0
        with Prefetched(self.passes.sequence, groups, threads) as sequences:
            for batch, share in zip(remaining, shares, strict=True):
                result = self.step(epoch, batch, [counts for _, counts in share], sequences)
                bar.set_postfix(epoch=epoch, loss=f"{result.loss:.3f}")
                bar.update()
                stopping = bool(self.ranks.sum(len(self.stop_signals)))  # a signal may reach one rank first
                if stopping or self.progress.step == end or self.state_is_due():
                    save_state(self.root, self.model, self.optimizer, self.progress, self.ranks)
                if stopping:
                    number = self.stop_signals[0] if self.stop_signals else "of another rank"
                    raise SystemExit(
                        f"stopped by signal {number} after step {self.progress.step}; start again to go on"
                    )

    def step(
        self, epoch: int, batch: list[Group], counting: list[bool], sequences: Prefetched[list[Group], TokenSequence]
    ) -> StepResult:
        """One optimizer step over this rank's passes, of which some may not count, and its lines of the logs."""
        run, number = self.run, self.progress.step + 1
        start, waited_before = time.monotonic(), sequences.waited
        questions = sum(len(group.entries) for group in batch)
        rate = learning_rate(
            number - 1, peak=run.learning_rate, schedule=run.schedule, warmup=run.warmup_steps, total=self.total
        )
        weights = [counts / questions for counts in counting]
        if run.lora and run.lora.dropout:  # a resumed run draws what it would have drawn
            torch.manual_seed(Random(f"{run.seed}/{number}/{self.ranks.rank}").getrandbits(63))
        result = self.optimizer_step(islice(sequences, len(weights)), weights, rate, number)
        seconds, waited = time.monotonic() - start, sequences.waited - waited_before
        self.progress.step = number
        self.progress.questions += questions
        self.progress.seconds += seconds
        self.progress.peak_bytes = max(self.progress.peak_bytes, _peak_bytes(self.execution.on_gpu))
        if self.execution.on_gpu and number > 1:  # the first step compiles
            self.waited, self.spent = self.waited + waited, self.spent + seconds
        line = {"step": number, "epoch": epoch, "loss": result.loss, "learning_rate": rate}
        line |= {"grad_norm": result.grad_norm, "questions": questions, "tokens": result.tokens}
        times: dict[str, float] = {"step": number, "seconds": round(seconds, 4), "waited_for_data": round(waited, 4)}
        times["peak_bytes"] = self.progress.peak_bytes
        if self.ranks.first:
            logs.append_line(self.root / logs.TRAIN_LOG, line)
            logs.append_line(self.root / logs.TRAIN_TIMES, times)
        return result

    def state_is_due(self) -> bool:
        """Whether the spec wants the state saved after this step."""
        every = self.run.state_every_steps
        return bool(every) and self.progress.step % every == 0

    def save_epoch(self, epoch: int) -> None:
        """The checkpoint of a finished epoch, then its manifest."""
        path = self.root / f"epoch_{epoch}"
        export_checkpoint(path, self.model, self.processor, self.ranks, self.adapter)
        if not self.ranks.first:
            return
        manifest = checkpoints.describe(
            path,
            precision="bfloat16",
            epoch=epoch,
            step=self.progress.step,
            steps=self.total,
            questions=self.progress.questions,
            base_model=self.run.model,
            fingerprint=sha256_json(self.origin),
            software=checkpoints.package_versions("torch", "transformers"),
            device=self.ranks.device.type,
            gpus=self.ranks.count if self.execution.on_gpu else 0,
            seconds=round(self.progress.seconds, 1),
            trained_weights=self.trained_weights,
            peak_bytes=self.progress.peak_bytes,
        )
        if self.adapter:
            manifest["adapter"] = self.adapter.note(path)
        if self.features:
            manifest["features"] = self.features.cut
        checkpoints.write_manifest(self.manifest(epoch), manifest)

    @property
    def trained_weights(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in trainable(self.model).values())

    def manifest(self, epoch: int) -> Path:
        """The file that says that an epoch is finished."""
        return self.root / f"epoch_{epoch}.json"

    def finish(self) -> None:
        """Every epoch is exported: there is nothing left to resume."""
        if self.spent:
            self.say(f"the GPU waited for data {100 * self.waited / self.spent:.1f} % of the time")
        self.ranks.wait()
        if self.ranks.first:
            shutil.rmtree(self.root / "state", ignore_errors=True)
        leave_ranks()

    def say(self, text: str) -> None:
        """A line on stderr, once for all ranks."""
        if self.ranks.first:
            print(text, file=sys.stderr, flush=True)


def _start_rank(run: TrainRun, threads: int) -> Ranks:
    """This process's place among the ranks, and what is set once in it."""
    if not run.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # gpus: 0 is the CPU, on a machine with GPUs too
    ranks = join_ranks()
    if ranks.device.type != "cuda":
        heap.keep_freed_memory()
    torch.set_num_threads(max(1, threads // ranks.on_node))
    torch.manual_seed(run.seed)
    return ranks


def _peak_bytes(on_gpu: bool) -> int:
    """The most memory that this process has used: of its GPU, or of the machine."""
    if on_gpu:
        return torch.cuda.max_memory_allocated()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Linux counts in KiB


def _catch_stop_signals() -> list[int]:
    """SIGTERM and SIGINT end the run after the step in hand; the list holds the signals that came."""
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _: signals.append(signum))
    return signals
