#!/usr/bin/env python3
"""Pre-train the tiny base model of the sample on generic material and save it as a Hugging Face directory.

One GPU, minutes: `pretrain_base.py --out specs/sample/base`. `--smoke` does everything in little on a CPU.
The material is drawn here: abstract clips (tiny/clips.py) and text look-ups (tiny/lookups.py), in pseudo-words.
"""

import argparse
import functools
import math
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import torch._dynamo  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from roadtrain import torchvision_cpu

torchvision_cpu.ensure()
from dev.tiny import architecture, guide, progress, words  # noqa: E402
from dev.tiny.batches import BUCKETS, ClipQuestions, Encoder, TextRows  # noqa: E402
from dev.tiny.forward import Forward, deviation, patchify  # noqa: E402
from dev.tiny.muon import MuonAdamW  # noqa: E402
from dev.tiny.pool import Attributes, Pool  # noqa: E402
from dev.tiny.tokenizer import build_processor  # noqa: E402

HELD_OUT = 400  # clips for the held-out accuracy
SHARE_EARLY = 0.12  # of letter questions while captions lead
TOLERANCE = 1e-2  # largest relative difference from transformers (float32 on a GPU may use TF32)


def arguments(argv=None):
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
    given = parser.parse_args(argv)
    if given.smoke:
        given.steps, given.clips, given.clip_batch, given.slots, given.text_batch, given.report = 4, 24, 2, 3, 2, 9
        given.processes = 2
    return given


class Batches(torch.utils.data.IterableDataset):
    """Endless (ClipBatch, RowBatch) pairs; easier ones at the start of the training (`done`: share of it passed)."""

    def __init__(self, questions: ClipQuestions, rows: TextRows, options, done, pool: Pool):
        self.questions, self.rows, self.options, self.done, self.pool = questions, rows, options, done, pool

    def __iter__(self):
        torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(1000 * (self.options.seed + 1) + (worker.id if worker else 0))
        while self.pool.ready < at_first(self.options):
            time.sleep(0.05)
        while True:
            yield self.draw(rng, self.done.value, rng.choice(BUCKETS))

    def draw(self, rng: random.Random, done: float, bucket, captions: bool | None = None):
        """First captions and look-ups of few single words, then letters, phrases, all words."""
        o = self.options
        if o.start is not None:  # a second stage knows its look-ups and sees
            done_text, done = 1.0, 0.3 + 0.7 * done
        else:
            done_text = done
        known = words.TRAINED[: 200 if done_text < 0.05 else 1000 if done_text < 0.12 else None]
        if captions is None:
            captions = rng.random() < (1 - SHARE_EARLY if done < 0.3 else 0.8 - done if done < 0.55 else 0.2)
        first, end = self.pool.window()
        clips = [rng.randrange(first, max(end, 1)) for _ in range(o.clip_batch * (2 if captions else 1))]
        self.questions.languages = spoken(self.done.value, o)
        seen = (
            self.questions.captions(rng, bucket, clips)
            if captions
            else self.questions.batch(rng, bucket, clips, o.slots, 0.7)
        )
        return seen, self.rows.batch(rng, o.text_batch, known, done_text < 0.05, 0.8 if done_text < 0.12 else 0.5)


def at_first(options) -> int:
    """Clips that the training begins with."""
    return min(options.clips // 8, 4000)


def spoken(done: float, options) -> list[int]:
    """Languages in use: one alone for a fifth of the training, then others, each for a time; the last ones stay.
    Another seed, other languages."""
    last = round(options.languages * min(1.0, max(0.0, (done - 0.2) / 0.6)))
    return [1000 * options.seed + k for k in range(max(0, last - options.speaking + 1), last + 1)]


def schedule(step: int, done: float) -> float:
    """Factor on the learning rates: warm-up, 40 % flat, then a cosine to zero."""
    warm = min(1.0, (step + 1) / 200)
    return warm * (1.0 if done < 0.4 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.4) / 0.6))


def losses_of(forward: Forward, clips, rows, frames, head=None, reach: bool = True) -> torch.Tensor:
    """(clips, text, guide): mean cross-entropy at the answers and of the guide. rows and head may be None.
    reach: the guide's gradient goes on into the vision tower."""
    device = forward.device
    send = functools.partial(progress.send, device=device)
    layout = forward.layout(clips.prefix, clips.bucket, *clips.slots.shape[1:])
    patches = patchify(frames)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        seen = forward.logits(forward.clips(layout, patches, send(clips.slots)), send(clips.at))
        grid = (clips.bucket[0] // 2, clips.bucket[1] // 32, clips.bucket[2] // 32)
        guided = None if head is None else head(forward.tokens if reach else forward.tokens.detach(), grid)
        read = None if rows is None else forward.logits(forward.rows(send(rows.ids)), send(rows.at))
    first = F.cross_entropy(seen, send(clips.target))
    second = first * 0 if rows is None else F.cross_entropy(read, send(rows.target))
    third = first * 0 if head is None else guide.guide_loss(guided, clips.wanted)
    return torch.stack([first, second, third])


def warm_up(forward: Forward, batches: Batches, optimizer) -> str:
    """Compile every shape, on blank frames, while clips are being drawn. Returns how long a step then takes."""
    rng, took = random.Random(0), {}
    for bucket in (BUCKETS[0], BUCKETS[2], BUCKETS[0]):
        for captions in (False, True):
            clips, rows = batches.draw(rng, 0.5, bucket, captions)
            blank = torch.zeros(len(clips.clips), *bucket, 3, device=forward.device)
            torch.cuda.synchronize()
            began = time.time()
            losses_of(forward, clips, rows, blank).sum().backward()
            issued = time.time()
            torch.cuda.synchronize()
            took["captions" if captions else "letters"] = (
                f"{1e3 * (issued - began):.0f}/{1e3 * (time.time() - began):.0f} ms"
            )
            optimizer.zero_grad()
    return f"(issued/done) {took}"


def train(forward, evaluate, optimizer, loader, pool, options, done, log, head, save):
    """The loop: a batch of clips and one of text rows a step; once look-ups are learned, text every third step."""
    started = last = time.time()
    step, waited, text = 0, 0.0, True
    sums, counts = torch.zeros(4, device=forward.device), [0, 0, 0]  # captions, letters, text (and the guide)
    guides = torch.optim.AdamW(head.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.02)
    while done.value < 1:
        asked = time.time()
        clips, rows = next(loader)
        waited += time.time() - asked
        text = (done.value < 0.5 and options.start is None) or step % 3 == 0
        places = [i % pool.capacity for i in clips.clips]
        frames = progress.moved_frames(pool.clips, places, clips.mirrored, clips.bucket)
        parts = losses_of(forward, clips, rows if text else None, frames, head, done.value >= options.guide_from)
        optimizer.zero_grad()
        guides.zero_grad()
        fade = min(1.0, max(0.0, (0.9 - done.value) / 0.4))
        (parts[0] + 0.5 * parts[1] + fade * parts[2]).backward()
        torch.nn.utils.clip_grad_norm_(optimizer.parameters, 1.0, foreach=True)
        optimizer.step(schedule(step, done.value))
        guides.step()
        sums[3] += parts[2].detach()
        kind = 1 if clips.letter else 0
        sums[kind] += parts[0].detach()
        sums[2] += parts[1].detach()
        counts[kind] += 1
        counts[2] += text
        step += 1
        done.value = step / options.steps if options.steps else (time.time() - started) / (60 * options.minutes)
        if step % options.report == 0 or done.value >= 1:
            mean = [value / max(1, n) for value, n in zip(sums.tolist(), (*counts, counts[0] + counts[1]))]
            now = time.time()
            log(
                f"step {step} {now - started:.0f} s {(counts[0] + counts[1]) / (now - last):.1f} steps/s waited {waited:.1f} s "
                f"clips {pool.ready} language {spoken(done.value, options)[-1]} loss captions {mean[0]:.3f} letters {mean[1]:.3f} text {mean[2]:.3f} "
                f"guide {mean[3]:.3f} | {evaluate()}"
            )
            save()
            waited, last, counts = 0.0, time.time(), [0, 0, 0]
            sums.zero_()


def main(argv=None) -> int:
    options = arguments(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with (options.out.parent / "pretrain.log").open("w") as file:

        def log(text):
            print(text, flush=True)
            print(text, file=file, flush=True)

        log("command: pretrain_base.py " + " ".join(argv if argv is not None else sys.argv[1:]))
        return run(options, log, started)


def run(options, log, started) -> int:
    gpu = torch.cuda.is_available() and not options.smoke
    device = torch.device("cuda" if gpu else "cpu")
    log(f"machine: {torch.cuda.get_device_name() if gpu else 'CPU'}, torch {torch.__version__}")
    attributes, unseen = (Attributes(options.seed, part) for part in ("train", "held out"))
    count, drawers = HELD_OUT if gpu else 4, max(1, options.processes * 2 // 3)
    held_out = Pool(unseen, 10**9, drawers, count, endless=False).use(torch.device("cpu"), count)
    pool = Pool(attributes, 10**6 * options.seed, drawers, options.clips)  # before CUDA starts: it forks

    processor = build_processor()
    encode = Encoder(processor.tokenizer)
    model = architecture.build_model(processor, options.seed).to(device)
    log(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters, {len(processor.tokenizer)} tokens")
    if options.start is not None:
        from safetensors.torch import load_file

        weights = {name: tensor.float() for name, tensor in load_file(options.start / "model.safetensors").items()}
        missing, unknown = model.load_state_dict(weights, strict=False)
        if unknown or set(missing) - {"lm_head.weight"}:
            raise ValueError(f"{options.start}: not this architecture: {missing} {unknown}")
        log(f"goes on from {options.start}")
    levels = 1 + len(architecture.VISION["deepstack_visual_indexes"])
    head = guide.Guide(levels, architecture.TEXT["hidden_size"]).to(device)
    plain = Forward(model)
    questions, test = ClipQuestions(encode, attributes, 0.5), ClipQuestions(encode, unseen)
    for bucket in BUCKETS[1:3]:
        batch = test.batch(random.Random(0), bucket, [0], 3, 0.5)
        frames = progress.bucket_frames(held_out, [0], bucket, device).round().to(torch.uint8)
        difference = deviation(model, processor, plain, batch, frames.cpu())
        log(f"difference from transformers {bucket}: {difference:.1e}")
        if not difference < TOLERANCE:
            log("the batched forward differs from transformers': stopping")
            return 1

    torch.set_float32_matmul_precision("high")
    torch._dynamo.config.suppress_errors = True  # a block that does not compile runs uncompiled
    done = multiprocessing.Value("d", 0.0)
    batches = Batches(questions, TextRows(encode), options, done, pool)
    data = torch.utils.data.DataLoader(
        batches,
        batch_size=None,
        num_workers=options.processes - drawers if gpu else 0,
        prefetch_factor=8 if gpu else None,
        multiprocessing_context="fork" if gpu else None,
    )
    loader = iter(data)
    optimizer = MuonAdamW(model, options.muon_lr, options.adamw_lr)
    fast = Forward(model, compiled=gpu)
    if gpu:
        took = warm_up(fast, batches, optimizer)
        log(f"compiled, {time.time() - started:.0f} s; forward and backward {took}")
    pool.use(device, at_first(options))
    log(f"drew {pool.ready} clips, {time.time() - started:.0f} s")
    if options.until:
        options.minutes = (options.until - (time.time() - started)) / 60

    def evaluate() -> str:
        count = 300 if gpu else 10
        old, new = (progress.lookup_accuracy(plain, encode, w, count) for w in (words.TRAINED, words.HELD_OUT))
        test.languages = spoken(done.value, options)
        seen = progress.clip_accuracy(plain, test, held_out)
        return f"look-up {old[0]:.3f} fact {old[1]:.3f} unseen words {new[0]:.3f} {new[1]:.3f} clips " + " ".join(
            f"{name} {value:.2f}" for name, value in seen.items()
        )

    save = lambda: architecture.save(model, processor, options.out)
    train(fast, evaluate, optimizer, loader, pool, options, done, log, head, save)
    architecture.save(model, processor, options.out)
    with torch.no_grad():  # what was saved is bfloat16: report that
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())
    log("saved: " + evaluate())
    pool.close()
    log(f"total {time.time() - started:.0f} s")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the endless loader's workers need no goodbye
