#!/usr/bin/env python3
"""Post-train one ablation with plain PyTorch and transformers, on a CPU or one GPU.

Inputs: the TOML of the run (its conversations, its frame index and the base model are named in it). Outputs: a
manifest an epoch and train_log.jsonl (one line an optimizer step, no clock in it); below --weights a complete Hugging
Face checkpoint an epoch (bfloat16), the state for an exact resume, and train_times.jsonl (what was measured).

Killed at any moment and started again, it goes on after the last saved state and ends with the same weights, bit for
bit on a CPU. A finished epoch is not trained again; when the TOML, the data or the base changed, it starts over.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from tqdm import tqdm

from roadtrain import batches, checkpoints, cli, toml_config
from roadtrain.files import sha256_json, write_json, write_text
from roadtrain.frames import FrameIndex
from roadtrain.llava import read_entries
from roadtrain.models import load_model, load_processor, locate


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", required=True, help="the run, rendered by render_toml.py")
    parser.add_argument("--weights", required=True, type=Path, help="where checkpoints and state go")
    parser.add_argument("--manifests", required=True, type=Path, help="where epoch_<n>.json go")
    parser.add_argument("--log", required=True, type=Path, help="train_log.jsonl")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (%(default)s)")
    return parser.parse_args()


@cli.main
def main() -> None:
    args = arguments()
    run = toml_config.read(args.toml)
    base = locate(run.model)
    with checkpoints.only_one(args.weights):
        origin = checkpoints.fingerprint(
            args.toml, run.llava, run.frames_index, base=checkpoints.describe(base)["sha256"]
        )
        checkpoints.start(args.weights, origin)
        if not all((args.weights / f"epoch_{n}.json").exists() for n in range(1, run.epochs + 1)):
            Trainer(run, base, args, origin).train()
        checkpoints.publish(run.epochs, args.weights, args.manifests, args.log)


class Trainer:
    """Setup, loop, save."""

    def __init__(self, run: toml_config.TrainRun, base: Path, args: argparse.Namespace, origin: dict):
        import torch

        from roadtrain import attention, engine
        from roadtrain.optimizer import Optimizers
        from roadtrain.prompts import Prompter

        self.run, self.root, self.args, self.engine, self.torch = run, args.weights, args, engine, torch
        self.origin = sha256_json(origin)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_num_threads(args.threads)
        torch.manual_seed(run.seed)
        self.frames = FrameIndex.load(run.frames_index)
        self.entries = [entry for entry in read_entries(run.llava) if entry.clip in self.frames]
        if not self.entries:
            raise ValueError(f"{run.llava}: no question has frames in {run.frames_index}: nothing to train on")
        self.processor = load_processor(base)
        self.prompter = Prompter(self.processor, run.system_prompt)
        self.model = load_model(base, "float32").to(self.device)  # float32 master weights
        self.model.config.use_cache = False
        attention.use(self.model, "segments" if self.device.type == "cpu" else "dense")
        self.model.train()
        if run.gradient_checkpointing == "on" or (run.gradient_checkpointing == "auto" and self.device.type == "cuda"):
            self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.optimizer = Optimizers(self.model, run.optimizer, run.learning_rate, run.weight_decay, run.epsilon)
        self.autocast = (
            torch.autocast(self.device.type, torch.bfloat16) if run.dtype == "bfloat16" else contextlib.nullcontext()
        )
        self.video_token = self.model.config.video_token_id

    def plan(self, epoch: int) -> list:
        per_video = 1 if self.run.sequences == "per-question" else self.run.questions_per_video
        return batches.steps(
            self.entries, epoch=epoch, seed=self.run.seed, batch_questions=self.run.batch_questions,
            questions_per_video=per_video,
        )  # fmt: skip

    def train(self) -> None:
        run, root = self.run, self.root
        sizes = [len(self.plan(epoch)) for epoch in range(1, run.epochs + 1)]
        total = sum(sizes)
        progress = self.engine.load_state(root, self.model, self.optimizer)
        progress = progress or {"step": 0, "questions": 0, "seconds": 0.0}
        for name in ("train_log.jsonl", "train_times.jsonl"):  # as new files: DVC may have linked the old ones
            lines = checkpoints.read_log(root / name, progress["step"])
            write_text(root / name, "".join(f"{line}\n" for line in lines))
        stop = _stop_signals()
        bar = tqdm(total=total, initial=progress["step"], unit="step", desc=f"train {root.name}")
        first = 0
        for epoch, size in enumerate(sizes, start=1):
            last = first + size
            if progress["step"] < last:
                for step in self.plan(epoch)[progress["step"] - first :]:
                    began = time.monotonic()
                    line = self.step(step, epoch, progress["step"], total)
                    progress["step"] += 1
                    progress["questions"] += line["questions"]
                    progress["seconds"] += time.monotonic() - began
                    self.append("train_log.jsonl", line)
                    self.append("train_times.jsonl", {"step": line["step"], "seconds": round(time.monotonic() - began, 4)})
                    bar.set_postfix(epoch=epoch, loss=f"{line['loss']:.3f}")
                    bar.update()
                    wanted = run.state_every_steps and progress["step"] % run.state_every_steps == 0
                    if (wanted or stop) and progress["step"] < last:
                        self.engine.save_state(root, self.model, self.optimizer, progress)
                    if stop:
                        raise SystemExit(f"stopped by signal {stop[0]} after step {progress['step']}; start again to go on")
                self.engine.save_state(root, self.model, self.optimizer, progress)
            if progress["step"] == last and not (root / f"epoch_{epoch}.json").exists():
                self.save_epoch(epoch, progress, total)
            first = last
        bar.close()
        shutil.rmtree(root / "state", ignore_errors=True)  # every epoch is exported: nothing to resume

    def step(self, step: list, epoch: int, number: int, total: int) -> dict:
        """One optimizer step over the groups of questions; returns its line of the log."""
        from roadtrain.forward import answer_logits
        from roadtrain.optimizer import learning_rate
        from roadtrain.sequences import build

        run, torch = self.run, self.torch
        rate = learning_rate(
            number, peak=run.learning_rate, schedule=run.schedule, warmup=run.warmup_steps, total=total
        )
        questions = sum(len(group.entries) for group in step)
        loss, tokens = 0.0, 0
        for n in range(0, len(step), run.mini_batch):
            clips = []
            for group in step[n : n + run.mini_batch]:
                prefix = self.prompter.prefix(self.frames.clip(*group.clip))
                clips.append((prefix, [self.prompter.segment(entry) for entry in group.entries]))
            sequence = build(clips, self.video_token)
            if len(sequence.input_ids) > run.model_max_length * len(clips):
                raise ValueError(
                    f"{step[n].clip[0]}: {len(sequence.input_ids)} tokens, more than model_max_length: {run.model_max_length}"
                    " (train in the spec): raise it, lower the pixels, or set questions_per_video"
                )
            with self.autocast:
                logits = answer_logits(self.model, sequence)
            part = self.engine.answer_loss(logits, sequence) / questions
            part.backward()
            loss += part.item()
            tokens += len(sequence.input_ids)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), run.max_grad_norm).item()
        if not (torch.isfinite(torch.tensor(loss)) and torch.isfinite(torch.tensor(norm))):
            raise ValueError(f"step {number + 1}: loss {loss}, gradient norm {norm}: lower learning_rate (train in the spec)")
        self.optimizer.step(rate)
        return {
            "step": number + 1, "epoch": epoch, "loss": loss, "learning_rate": rate, "grad_norm": norm,
            "questions": questions, "tokens": tokens,
        }  # fmt: skip

    def save_epoch(self, epoch: int, progress: dict, total: int) -> None:
        path = self.root / f"epoch_{epoch}"
        self.engine.export(path, self.model, self.processor)
        manifest = checkpoints.describe(
            path, precision="bfloat16", epoch=epoch, step=progress["step"], steps=total, questions=progress["questions"],
            base_model=self.run.model, fingerprint=self.origin, software=checkpoints.software("torch", "transformers"),
            device=self.device.type, seconds=round(progress["seconds"], 1),
        )  # fmt: skip
        write_json(self.root / f"epoch_{epoch}.json", manifest)

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
