#!/usr/bin/env python3
"""Serve a checkpoint with vLLM's OpenAI server: /v1/chat/completions takes a video_url.

CHECKPOINT is RUN/ABLATION (its best epoch), RUN/ABLATION/fp8, a directory or a checkpoint's manifest. Videos are read, sampled and
resized as in training, by the same code, when the checkpoint lies in weights/<run>/<ablation>/ (or --vision says how); with
--reader vllm by vLLM's own, as elsewhere. Listens on 127.0.0.1 unless told otherwise; Ctrl-C ends it.
An API key is read from the environment variable VLLM_API_KEY, never from the command line.

    python scripts/serve.py weights/sample/nframes8/fp8 --port 8000
"""

import argparse
import os
import shlex
import sys
from typing import get_args

from roadtrain import cli
from roadtrain.deploy.serving import MAX_LENGTH, ServerReader, gpus_here, server_command, setting_of
from roadtrain.evaluate.vllm import process as vllm_process
from roadtrain.evaluate.vllm.options import vllm_options


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="RUN/ABLATION, or as above")
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=cli.port(1), default=8000, help="default: %(default)s")
    parser.add_argument("--served-name", help="what requests call the model (the directory's name)")
    parser.add_argument("--vision", metavar="JSON", help='as in the spec: {"nframes": 8}')
    parser.add_argument(
        "--max-length", type=cli.at_least(1), help=f"tokens of a prompt with its answer (the spec's, or {MAX_LENGTH})"
    )
    parser.add_argument(
        "--videos",
        type=cli.at_least(1),
        metavar="N",
        help="of a prompt, at most (as many as the data of its run have, or 1)",
    )
    parser.add_argument("--media", metavar="DIR", help="also take file:// URLs of videos below this folder")
    parser.add_argument(
        "--reader",
        choices=get_args(ServerReader),
        default="roadtrain",
        help="who reads videos: this project's plugin, as in training, or vLLM itself, as in a NIM (%(default)s)",
    )
    parser.add_argument(
        "--gpus", type=cli.at_least(0), default=gpus_here(), help="0: the CPU (what is here: %(default)s)"
    )
    vllm_process.add_kv_cache_option(parser)
    parser.add_argument("--print", action="store_true", help="only print the command")
    args = parser.parse_args()

    setting = setting_of(args.checkpoint, args.vision)
    most = args.max_length or setting.max_length
    videos = setting.videos_a_prompt() if args.videos is None else args.videos
    engine_options = vllm_options(most, args.gpus, {"video": videos}, kv_cache_gib=args.kv_cache_gib)
    command = server_command(setting, engine_options, args.host, args.port, args.served_name, args.media, args.reader)
    if args.print:
        print(shlex.join(["python", *command]))
        return
    vllm_process.enter_vllm()
    vllm_process.set_environment(os.cpu_count())
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main()
