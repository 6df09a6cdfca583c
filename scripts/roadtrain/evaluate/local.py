"""The local engine asks: plain PyTorch, a clip read once for all its questions."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roadtrain.evaluate.evaluation import ClipQuestions
from roadtrain.evaluate.replies import CannotAsk, Replies, Reply, letter_probabilities, letter_tokens
from roadtrain.evaluate.wording import wording_of
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip
from roadtrain.model.checkpoints import CheckpointManifest
from roadtrain.model.loading import load_model, load_processor
from roadtrain.model.prefetch import Prefetched


def load_for_answers(path: str | Path) -> Any:
    """A checkpoint on this machine's GPU, or its CPU, ready to generate. A CPU computes in float32: bfloat16 is slower
    there, and rounds differently from one CPU to the next. An adapter stays beside its base's weights."""
    import torch

    from roadtrain.evaluate.generation import prepare_model

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return prepare_model(load_model(path, "float32" if device == "cpu" else "auto", merge=False).to(device).eval())


def ask_clips(
    args: argparse.Namespace, manifest: CheckpointManifest, frames: FrameIndex, clips: ClipQuestions
) -> Iterator[Replies | CannotAsk]:
    """The replies of one clip after the other."""
    import torch

    from roadtrain.evaluate.generation import generate_answers
    from roadtrain.model.features import FeatureCache
    from roadtrain.model.prompts import Prefix, Prompter

    torch.set_num_threads(args.threads)
    prompter = Prompter(load_processor(manifest["path"]), args.system_prompt)
    model = load_for_answers(manifest["path"])
    tokenizer, on_gpu = prompter.processor.tokenizer, model.lm_head.weight.is_cuda

    features = None
    if (cut := manifest.get("features")) and not args.without_media:
        features = FeatureCache(model.model.visual, cut, prompter, frames)
        features.fill(clips, threads=min(4, args.threads) if on_gpu else 0)

    def read_prefix(clip: Clip) -> Prefix:
        if args.without_media:
            prefix = prompter.prefix_without_media(clip)
        else:
            prefix = features.prefix(clip) if features else prompter.prefix(frames.read(clip))
        return prefix.pinned(model.lm_head.weight.dtype) if on_gpu else prefix

    # A GPU reads a video faster than a core prepares it; on a CPU other threads would take its time.
    prefixes = Prefetched(read_prefix, clips, threads=min(4, args.threads) if on_gpu else 0)
    for questions, prefix in zip(clips.values(), prefixes, strict=True):
        answers = generate_answers(
            model,
            prefix,
            [prompter.segment(question) for question in questions],
            stop_tokens=prompter.stop_tokens,
            max_new_tokens=args.evaluate.max_new_tokens,
            wordings=[wording_of(question, args.evaluate) for question in questions],
            letters=[letter_tokens(tokenizer, question.options) for question in questions],
            only_letters=args.evaluate.answers == "letters",
        )
        yield {
            question.id: Reply(
                tokenizer.decode(answer.tokens).strip(),
                letter_probabilities(list(question.options), answer.letter_logits),
            )
            for question, answer in zip(questions, answers, strict=True)
        }
