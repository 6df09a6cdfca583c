#!/usr/bin/env python3
"""Post-train one ablation with plain PyTorch and transformers: on a CPU, on one GPU, on several GPUs of a machine.

Inputs: the TOML of the run (its conversations, its frame index and the base model are named in it). Outputs: a
manifest an epoch and train_log.jsonl (one line an optimizer step, no clock in it); below --weights a complete Hugging
Face checkpoint an epoch (bfloat16), the state for an exact resume, and train_times.jsonl (what was measured: seconds of a
step, and how many of them the GPU waited for data).

Killed at any moment and started again, it goes on after the last saved state and ends with the same weights, bit for
bit on a CPU. A finished epoch is not trained again; when the TOML, the data or the base changed, it starts over.

Several GPUs (gpus in the spec): it starts itself once more for each, with torchrun; weights, gradients and moments lie in
shards on all of them (FSDP2).
"""

import argparse
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from roadtrain import cli, locks
from roadtrain.data.llava import read_entries
from roadtrain.files import sha256_json
from roadtrain.frames.index import FrameIndex
from roadtrain.model import checkpoints, flops
from roadtrain.model.loading import load_model, load_processor, locate
from roadtrain.prefetch import Prefetched
from roadtrain.train import arguments as train_arguments
from roadtrain.train import batches, heap, memory, run_folder, toml_config


@cli.main
def main() -> None:
    args = train_arguments.training_parser(__doc__).parse_args()
    run = toml_config.read_train_run(args.toml)
    base = locate(run.model)
    origin = run_folder.fingerprint(args.toml, run.llava, run.frames_index, base=checkpoints.checkpoint_hash(base))
    if "RANK" in os.environ:  # one of torchrun's processes; the one that started it holds the lock
        with memory.explained():
            Trainer(run, base, args, origin).train()
        return
    with locks.alone_in(args.weights) as lock:
        run_folder.keep_or_start_over(args.weights, origin)
        if not all((args.weights / f"epoch_{n}.json").exists() for n in range(1, run.epochs + 1)):
            if run.gpus > 1:
                on_several_gpus(run.gpus, lock)
            else:
                with memory.explained():
                    Trainer(run, base, args, origin).train()
        run_folder.publish(run.epochs, args.weights, args.manifests, args.log)


def on_several_gpus(gpus: int, lock: int) -> None:
    """This program once for each GPU. The lock goes with them: should this process be killed, they still hold it."""
    import torch

    if torch.cuda.device_count() < gpus:
        raise cli.UserError(
            f"train.gpus: {gpus}, and this process sees {torch.cuda.device_count()} GPUs: lower it, or look at CUDA_VISIBLE_DEVICES"
        )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(gpus), "--"]
    ended = subprocess.Popen([*torchrun, *sys.argv], pass_fds=[lock])
    for number in (signal.SIGTERM, signal.SIGINT):  # torchrun hands them on; each rank saves its state
        signal.signal(number, lambda signum, _: ended.send_signal(signum))
    if ended.wait():
        raise cli.UserError(
            f"training on {gpus} GPUs ended with {ended.returncode}: the first error above is the cause; start again to go on"
        )


class Trainer:
    """Setup, loop, save. One of them on each GPU."""

    def __init__(self, run: toml_config.TrainRun, base: Path, args: argparse.Namespace, origin: dict):
        import torch

        from roadtrain.model import attention, compiled, forward
        from roadtrain.model.prompts import Prompter
        from roadtrain.train import distributed, engine
        from roadtrain.train.optimizer import Optimizers

        if not run.gpus and "RANK" not in os.environ:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # gpus: 0 is the CPU, on a machine with GPUs too
        self.run, self.root, self.args, self.engine, self.torch = run, args.weights, args, engine, torch
        self.distributed, self.origin = distributed, sha256_json(origin)
        self.ranks = distributed.join()
        self.device = self.ranks.device
        self.on_gpu = self.device.type == "cuda"
        if not self.on_gpu:
            heap.keep()
        torch.set_num_threads(max(1, args.threads // self.ranks.count))
        torch.manual_seed(run.seed)
        self.frames = FrameIndex.load(run.frames_index)
        self.entries = [entry for entry in read_entries(run.llava) if entry.clip in self.frames]
        if not self.entries:
            raise ValueError(f"{run.llava}: no question has frames in {run.frames_index}: nothing to train on")
        self.processor = load_processor(base)
        self.prompter = Prompter(self.processor, run.system_prompt)
        self.model = load_model(base, "float32").train()  # float32 master weights
        self.model.config.use_cache = False
        self.video_token = self.model.config.video_token_id
        # One GPU that computes in float32 needs no copies of the weights, and a CPU neither.
        self.sharded = self.ranks.count > 1 or (self.on_gpu and run.dtype == "bfloat16")
        self.compute = torch.bfloat16 if self.sharded and run.dtype == "bfloat16" else torch.float32  # of the pixels
        plan = self.memory_plan(base)
        reason = compiled.impossible() if self.on_gpu else None
        self.kind = "segments" if not self.on_gpu else "dense" if reason else "flex"
        attention.use(self.model, self.kind)
        plan.apply(self.model)
        if self.on_gpu:
            self.say(f"{torch.cuda.get_device_name()} x {self.ranks.count}: {plan}")
            if reason:
                self.say(f"attention by SDPA with a dense mask, nothing compiled: {reason}")
            else:
                compiled.compile_layers(self.model)
        self.gather_always = plan.gather_always
        if self.sharded:
            distributed.shard(self.model, self.ranks, run.dtype, self.gather_always)
        else:
            self.model.to(self.device)
        self.optimizer = Optimizers(
            self.model, run.optimizer, run.learning_rate, run.weight_decay, run.epsilon, run.embedding_learning_rate
        )
        # FSDP2 casts weights itself. Its hooks are on the model's own call, so that is where the forward goes.
        self.model.forward = lambda sequence: forward.answer_logits(self.model, sequence)
        cast = run.dtype == "bfloat16" and not self.sharded
        self.autocast = torch.autocast(self.device.type, torch.bfloat16) if cast else contextlib.nullcontext()

    def say(self, text: str) -> None:
        if self.ranks.first:
            print(text, file=sys.stderr, flush=True)

    def memory_plan(self, base: Path) -> memory.Plan:
        """What fits the GPU, by the largest passes of the first epoch."""
        run = self.run
        if not self.on_gpu:
            return memory.Plan(float(run.gradient_checkpointing == "on"), False, 0)
        tokens = patches = 0
        for step in self.plan(1):
            for clips in self.passes(step):
                vision = sum(row["vision_tokens"] for group in clips for row in self.frames.rows_of(group.clip))
                asked = [self.prompter.segment(entry) for group in clips for entry in group.entries]
                text = sum(len(one.prompt_ids) + len(one.answer_ids) for one in asked)
                tokens, patches = max(tokens, int(1.05 * vision) + text + 100 * len(clips)), max(patches, 4 * vision)
        return memory.choose(
            flops.architecture(str(base)),
            self.torch.cuda.mem_get_info()[1],
            run.gradient_checkpointing,
            ranks=self.ranks.count,
            tokens=tokens,
            patches=patches,
            width=2 if run.dtype == "bfloat16" else 4,
        )

    def plan(self, epoch: int) -> list:
        per_video = 1 if self.run.sequences == "per-question" else self.run.questions_per_video
        return batches.steps(
            self.entries,
            epoch=epoch,
            seed=self.run.seed,
            batch_questions=self.run.batch_questions * self.ranks.count,
            questions_per_video=per_video,
        )

    def passes(self, step: list) -> list[list]:
        """The groups of questions of each forward pass."""
        return [step[n : n + self.run.mini_batch] for n in range(0, len(step), self.run.mini_batch)]

    def own(self, step: list) -> list[tuple[list, bool]]:
        return self.distributed.share(self.passes(step), self.ranks)

    def sequence(self, groups: list):
        """One pass's tokens and pixels, ready for the device."""
        from roadtrain.model import compiled
        from roadtrain.model.sequences import build

        clips = []
        for group in groups:
            prefix = self.prompter.prefix(self.frames.clip(*group.clip))
            clips.append((prefix, [self.prompter.segment(entry) for entry in group.entries]))
        made = build(clips, self.video_token)
        if len(made.input_ids) > self.run.model_max_length * len(clips):
            raise ValueError(
                f"{groups[0].clip[0]}: {len(made.input_ids)} tokens, more than model_max_length: {self.run.model_max_length}"
                " (train in the spec): raise it, lower the pixels, or set questions_per_video"
            )
        if not self.on_gpu:
            return made
        return (made.padded(compiled.bucket(len(made.input_ids))) if self.kind == "flex" else made).pinned(self.compute)

    def train(self) -> None:
        run, root, first_rank = self.run, self.root, self.ranks.first
        stop = _stop_signals()
        sizes = [len(self.plan(epoch)) for epoch in range(1, run.epochs + 1)]
        total = sum(sizes)
        progress = self.engine.load_state(root, self.model, self.optimizer)
        progress = progress or {"step": 0, "questions": 0, "seconds": 0.0}
        if first_rank:
            run_folder.cut_logs(root, progress["step"])
        bar = tqdm(
            total=total, initial=progress["step"], unit="step", desc=f"train {root.name}", disable=not first_rank
        )
        first, waited, spent = 0, 0.0, 0.0
        for epoch, size in enumerate(sizes, start=1):
            last = first + size
            if progress["step"] < last:
                todo = self.plan(epoch)[progress["step"] - first :]
                groups = (clips for step in todo for clips, _ in self.own(step))
                # On a CPU other threads would take its time.
                made = Prefetched(
                    self.sequence,
                    groups,
                    threads=min(4, max(1, self.args.threads // self.ranks.count)) if self.on_gpu else 0,
                )
                for step in todo:
                    began, before = time.monotonic(), made.waited
                    line = self.step(step, made, epoch, progress["step"], total)
                    seconds = time.monotonic() - began
                    progress["step"] += 1
                    progress["questions"] += line["questions"]
                    progress["seconds"] += seconds
                    if self.on_gpu and line["step"] > 1:  # the first step compiles
                        waited, spent = waited + made.waited - before, spent + seconds
                    if first_rank:
                        self.append("train_log.jsonl", line)
                        self.append(
                            "train_times.jsonl",
                            {
                                "step": line["step"],
                                "seconds": round(seconds, 4),
                                "waited_for_data": round(made.waited - before, 4),
                            },
                        )
                    bar.set_postfix(epoch=epoch, loss=f"{line['loss']:.3f}")
                    bar.update()
                    wanted = run.state_every_steps and progress["step"] % run.state_every_steps == 0
                    ending = bool(self.ranks.sum(len(stop)))  # a signal may reach one rank first
                    if (wanted or ending) and progress["step"] < last:
                        self.engine.save_state(root, self.model, self.optimizer, progress, self.ranks)
                    if ending:
                        made.close()
                        raise SystemExit(
                            f"stopped by signal {(stop or ['of another rank'])[0]} after step {progress['step']}; start again to go on"
                        )
                self.engine.save_state(root, self.model, self.optimizer, progress, self.ranks)
            if progress["step"] == last and not (root / f"epoch_{epoch}.json").exists():
                self.save_epoch(epoch, progress, total)
            first = last
        bar.close()
        if spent:
            self.say(f"the GPU waited for data {100 * waited / spent:.1f} % of the time")
        self.ranks.wait()
        if first_rank:
            shutil.rmtree(root / "state", ignore_errors=True)  # every epoch is exported: nothing to resume
        self.distributed.leave()

    def step(self, step: list, made: Prefetched, epoch: int, number: int, total: int) -> dict:
        """One optimizer step over the groups of questions; returns its line of the log."""
        from roadtrain.train.optimizer import learning_rate

        run, torch = self.run, self.torch
        rate = learning_rate(
            number, peak=run.learning_rate, schedule=run.schedule, warmup=run.warmup_steps, total=total
        )
        questions = sum(len(group.entries) for group in step)
        own = self.own(step)
        losses, tokens = [], 0
        for n, ((_, counts), sequence) in enumerate(zip(own, itertools.islice(made, len(own)), strict=True), start=1):
            if self.sharded:
                self.distributed.last_pass(self.model, n == len(own), self.gather_always)
            with self.autocast:
                logits = self.model(sequence)
            # FSDP2 averages over the ranks; the gradient is that of the step's mean over its questions.
            part = self.engine.answer_loss(logits, sequence) * (counts / questions)
            (part * self.ranks.count).backward()
            losses.append(part.detach())
            tokens += len(sequence.input_ids) * counts
        norm = self.distributed.whole(torch.nn.utils.clip_grad_norm_(self.model.parameters(), run.max_grad_norm)).item()
        loss = self.ranks.sum(sum(part.item() for part in losses))
        if not (torch.isfinite(torch.tensor(loss)) and torch.isfinite(torch.tensor(norm))):
            raise ValueError(
                f"step {number + 1}: loss {loss}, gradient norm {norm}: lower learning_rate (train in the spec)"
            )
        self.optimizer.step(rate)
        return {
            "step": number + 1,
            "epoch": epoch,
            "loss": loss,
            "learning_rate": rate,
            "grad_norm": norm,
            "questions": questions,
            "tokens": round(self.ranks.sum(tokens)),
        }

    def save_epoch(self, epoch: int, progress: dict, total: int) -> None:
        path = self.root / f"epoch_{epoch}"
        self.engine.export(path, self.model, self.processor, self.ranks)
        if not self.ranks.first:
            return
        manifest = checkpoints.describe(
            path,
            precision="bfloat16",
            epoch=epoch,
            step=progress["step"],
            steps=total,
            questions=progress["questions"],
            base_model=self.run.model,
            fingerprint=self.origin,
            software=checkpoints.package_versions("torch", "transformers"),
            device=self.device.type,
            gpus=self.ranks.count if self.on_gpu else 0,
            seconds=round(progress["seconds"], 1),
        )
        checkpoints.write_manifest(self.root / f"epoch_{epoch}.json", manifest)

    def append(self, name: str, line: dict) -> None:
        with open(self.root / name, "a") as stream:
            stream.write(json.dumps(line) + "\n")


def _stop_signals() -> list[int]:
    """SIGTERM and SIGINT end the run after the step in hand; the list holds the signal that came."""
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _: came.append(signum))
    return came


if __name__ == "__main__":
    sys.exit(main())
