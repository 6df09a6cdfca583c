#!/usr/bin/env python3
"""Pre-train the tiny base model of the sample on generic material and save it as a Hugging Face directory.

One GPU, minutes: `PYTHONPATH=scripts python scripts/dev/pretrain_base.py --out specs/sample/base`. `--smoke` does
everything in little on a CPU. The material is drawn here: abstract clips (tiny/clips.py) and text look-ups
(tiny/lookups.py), in pseudo-words; tiny/curriculum.py says what comes when, tiny/training.py has the loop.
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo

from dev.tiny import architecture, guide, progress, words
from dev.tiny.batches import BUCKETS, ClipQuestions, Encoder, TextRows
from dev.tiny.curriculum import Batches, clips_at_first, languages_in_use
from dev.tiny.forward import Forward, deviation
from dev.tiny.muon import MuonAdamW
from dev.tiny.pool import Attributes, Pool
from dev.tiny.tokenizer import build_processor
from dev.tiny.training import Pretraining, warm_up
from roadtrain import torchvision_cpu

HELD_OUT = 400  # clips for the held-out accuracy
TOLERANCE = 1e-2  # largest relative difference from transformers (float32 on a GPU may use TF32)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="directory to write")
    parser.add_argument("--minutes", type=float, default=6, help="length of the training (default 6)")
    parser.add_argument("--steps", type=int, help="its length in optimizer steps instead")
    parser.add_argument("--until", type=float, help="or: until so many seconds after the start of the program")
    parser.add_argument("--clips", type=int, default=32000, help="clips at hand at a time (1 MB of GPU memory each)")
    parser.add_argument(
        "--processes",
        type=int,
        default=max(1, (os.cpu_count() or 2) - 2),
        help="that draw clips and write batches; more slow the training's own",
    )
    parser.add_argument("--languages", type=int, default=0, help="more than one, learned one after the other")
    parser.add_argument("--speaking", type=int, default=3, help="languages in use at a time")
    parser.add_argument(
        "--clip-batch", type=int, default=96, help="clips in a step of letter questions; twice as many with captions"
    )
    parser.add_argument("--slots", type=int, default=8, help="questions about each of them")
    parser.add_argument("--text-batch", type=int, default=48, help="text rows in a step")
    parser.add_argument("--muon-lr", type=float, default=0.015)
    parser.add_argument("--adamw-lr", type=float, default=2e-3)
    parser.add_argument(
        "--guide-from",
        type=float,
        default=0.0,
        help="share of the training before which the guide only learns to read the tower (a new head's "
        "gradient would spoil a tower that sees)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=int, default=500, help="steps between two lines of held-out accuracy")
    parser.add_argument("--start", type=Path, help="go on from this directory's weights")
    parser.add_argument("--smoke", action="store_true", help="a few tiny steps on the CPU, to test the program")
    options = parser.parse_args(argv)
    if options.smoke:
        options.steps, options.clips, options.clip_batch, options.slots, options.text_batch, options.report = (
            4,
            24,
            2,
            3,
            2,
            9,
        )
        options.processes = 2
    return options


def main(argv: list[str] | None = None) -> int:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # transformers is imported below: it reads this when it is
    torchvision_cpu.ensure()
    options = arguments(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with (options.out.parent / "pretrain.log").open("w") as file:

        def log(text: str) -> None:
            print(text, flush=True)
            print(text, file=file, flush=True)

        log("command: pretrain_base.py " + " ".join(argv if argv is not None else sys.argv[1:]))
        return pretrain(options, log, started)


def pretrain(options: argparse.Namespace, log: Callable[[str], None], started: float) -> int:
    """The exit code: 1 when the batched forward is not transformers'."""
    gpu = torch.cuda.is_available() and not options.smoke
    device = torch.device("cuda" if gpu else "cpu")
    log(f"machine: {torch.cuda.get_device_name() if gpu else 'CPU'}, torch {torch.__version__}")
    attributes, unseen = (Attributes(options.seed, part) for part in ("train", "held out"))
    count, drawers = HELD_OUT if gpu else 4, max(1, options.processes * 2 // 3)
    held_out = Pool(unseen, 10**9, drawers, count, endless=False).use(torch.device("cpu"), count)
    pool = Pool(attributes, 10**6 * options.seed, drawers, options.clips)  # before CUDA starts: it forks

    processor = build_processor()
    encode = Encoder(processor.tokenizer)
    model = initial_model(options, processor, log).to(device)
    plain, test = Forward(model), ClipQuestions(encode, unseen)
    if not equals_transformers(model, processor, plain, test, held_out, log):
        log("the batched forward differs from transformers': stopping")
        return 1

    torch.set_float32_matmul_precision("high")
    torch._dynamo.config.suppress_errors = True  # a block that does not compile runs uncompiled
    passed = multiprocessing.Value("d", 0.0)
    batches = Batches(ClipQuestions(encode, attributes, 0.5), TextRows(encode), options, passed, pool)
    loader = torch.utils.data.DataLoader(
        batches,
        batch_size=None,
        num_workers=options.processes - drawers if gpu else 0,
        prefetch_factor=8 if gpu else None,
        multiprocessing_context="fork" if gpu else None,
    )
    pairs = iter(loader)
    optimizer, fast = MuonAdamW(model, options.muon_lr, options.adamw_lr), Forward(model, compiled=gpu)
    if gpu:
        durations = warm_up(fast, batches, optimizer)
        log(f"compiled, {time.time() - started:.0f} s; forward and backward {durations}")
    pool.use(device, clips_at_first(options))
    log(f"drew {pool.ready} clips, {time.time() - started:.0f} s")
    if options.until:
        options.minutes = (options.until - (time.time() - started)) / 60

    def evaluate() -> str:
        test.languages = languages_in_use(passed.value, options)
        return held_out_accuracy(plain, encode, test, held_out, 300 if gpu else 10)

    levels = 1 + len(architecture.VISION["deepstack_visual_indexes"])
    head = guide.Guide(levels, architecture.TEXT["hidden_size"]).to(device)

    def save():
        return architecture.save(model, processor, options.out)

    Pretraining(fast, head, optimizer, pairs, pool, options, passed, evaluate, save, log).run()
    save()
    with torch.no_grad():  # what was saved is bfloat16: report that
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    log("saved: " + evaluate())
    pool.close()
    log(f"total {time.time() - started:.0f} s")
    return 0


def initial_model(options: argparse.Namespace, processor: Any, log: Callable[[str], None]) -> Any:
    """Random weights, or those of --start. Raises ValueError when these are of another architecture."""
    model = architecture.build_model(processor, options.seed)
    log(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters, {len(processor.tokenizer)} tokens")
    if options.start is not None:
        from safetensors.torch import load_file

        weights = {name: tensor.float() for name, tensor in load_file(options.start / "model.safetensors").items()}
        missing, unknown = model.load_state_dict(weights, strict=False)
        if unknown or set(missing) - {"lm_head.weight"}:
            raise ValueError(f"{options.start}: not this architecture: {missing} {unknown}")
        log(f"goes on from {options.start}")
    return model


def equals_transformers(
    model: Any, processor: Any, plain: Forward, test: ClipQuestions, held_out: torch.Tensor, log: Callable[[str], None]
) -> bool:
    """Whether the forward pass of the training computes what transformers' does, in two sizes of clips."""
    for bucket in BUCKETS[1:3]:
        batch = test.batch(random.Random(0), bucket, [0], 3, 0.5)
        frames = progress.bucket_frames(held_out, [0], bucket, plain.device).round().to(torch.uint8)
        difference = deviation(model, processor, plain, batch, frames.cpu())
        log(f"difference from transformers {bucket}: {difference:.1e}")
        if not difference < TOLERANCE:
            return False
    return True


def held_out_accuracy(plain: Forward, encode: Encoder, test: ClipQuestions, clips: torch.Tensor, count: int) -> str:
    """In words: look-ups and facts of trained and of unseen words, and clips by attribute."""
    trained, unseen = (
        progress.lookup_accuracy(plain, encode, vocabulary, count) for vocabulary in (words.TRAINED, words.HELD_OUT)
    )
    by_attribute = progress.clip_accuracy(plain, test, clips)
    return (
        f"look-up {trained[0]:.3f} fact {trained[1]:.3f} unseen words {unseen[0]:.3f} {unseen[1]:.3f} clips "
    ) + " ".join(f"{name} {value:.2f}" for name, value in by_attribute.items())


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the endless loader's workers need no goodbye
