#!/usr/bin/env python3
"""Ask a checkpoint every question of a split with plain PyTorch, greedily: a video is read once for all its questions.

Inputs: the checkpoint's manifest, the conversations, the frame index. Outputs: predictions (JSON lines, one a question,
in the conversations' order) and what they were computed from. Questions about a video without frames are unanswered
rows; nothing shifts. A killed run goes on: finished videos are kept beside the output, for this very checkpoint,
data and settings.
"""

from collections.abc import Iterator

from roadtrain import cli
from roadtrain.evaluate.evaluation import (
    Replies,
    Reply,
    evaluate,
    evaluation_parser,
    letter_probabilities,
    letter_tokens,
)
from roadtrain.model.loading import load_model, load_processor
from roadtrain.prefetch import Prefetched


@cli.main
def main() -> None:
    evaluate(evaluation_parser(__doc__).parse_args(), "local", ("torch", "transformers"), ask)


def ask(args, manifest: dict, frames, clips: dict) -> Iterator[Replies]:
    import torch

    from roadtrain.evaluate.evaluator import answer, ready
    from roadtrain.model.prompts import ANSWER_END, Prompter

    torch.set_num_threads(args.threads)
    processor = load_processor(manifest["path"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # A CPU computes in float32: bfloat16 is slower there, and rounds differently from one CPU to the next.
    model = ready(load_model(manifest["path"], "float32" if device == "cpu" else "auto").to(device).eval())
    prompter, tokenizer = Prompter(processor, args.system_prompt), processor.tokenizer
    stop = {tokenizer.convert_tokens_to_ids(ANSWER_END), tokenizer.eos_token_id}

    def read(clip):
        prefix = prompter.prefix(frames.clip(*clip))
        return prefix if device == "cpu" else prefix.pinned(model.lm_head.weight.dtype)

    # A GPU reads a video faster than a core prepares it; on a CPU other threads would take its time.
    prefixes = Prefetched(read, clips, threads=0 if device == "cpu" else min(4, args.threads))
    for (clip, entries), prefix in zip(clips.items(), prefixes, strict=True):
        segments = [prompter.segment(entry) for entry in entries]
        letters = [letter_tokens(tokenizer, entry.options) for entry in entries]
        said = answer(
            model,
            prefix,
            segments,
            stop=stop,
            max_new_tokens=args.evaluate.max_new_tokens,
            letters=letters,
            only_letters=args.evaluate.answers == "letters",
        )
        yield {
            entry.id: Reply(
                tokenizer.decode(one.tokens).strip(), letter_probabilities(list(entry.options), one.letter_logits)
            )
            for entry, one in zip(entries, said)
        }


if __name__ == "__main__":
    main()
