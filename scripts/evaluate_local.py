#!/usr/bin/env python3
"""Ask a checkpoint every question of a split with plain PyTorch, greedily: a video is read once for all its questions.

Inputs: the checkpoint's manifest, the conversations, the frame index. Outputs: predictions (JSON lines, one a question,
in the conversations' order) and what they were computed from. Questions about a video without frames are unanswered
rows; nothing shifts. A killed run goes on: finished videos are kept beside the output, for this very checkpoint,
data, settings and code.

    python scripts/evaluate_local.py --checkpoint results/sample/nframes8/checkpoints/epoch_2.json \\
        --llava results/sample/data/val.llava.json --frames results/sample/frames/nframes8_min4096_max17408/val.json \\
        --system-prompt 'You are a helpful assistant.' \\
        --predictions epoch_2.jsonl --source epoch_2.source.json
"""

from roadtrain import cli
from roadtrain.evaluate.evaluation import evaluate_checkpoint, evaluation_parser
from roadtrain.evaluate.local import answers_on_gpu, ask_clips


@cli.main
def main() -> None:
    args = evaluation_parser(__doc__).parse_args()
    args.gpus = int(answers_on_gpu())
    evaluate_checkpoint(args, "local", ("torch", "transformers"), ask_clips)


if __name__ == "__main__":
    main()
