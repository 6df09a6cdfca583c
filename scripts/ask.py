#!/usr/bin/env python3
"""Ask a server or a checkpoint about a video file.

    ask.py --video clip.mp4 --question "What is the weather?" --server http://127.0.0.1:8000
    ask.py --video clip.mp4 --question "..." --question "..." --checkpoint weights/RUN/ABLATION/epoch_3 --format json

With --checkpoint the video is decoded as in training and the model runs here, in plain PyTorch; it is read once for all
questions. With --server and --vision it is decoded here, too, and just those frames are sent; without --vision the file is sent,
and the server samples it by its own reader.
"""

import argparse

from roadtrain import cli
from roadtrain.deploy.ask import VideoQuestions, ask_checkpoint, ask_server
from roadtrain.deploy.client import Client
from roadtrain.deploy.serving import setting_of
from roadtrain.evaluate.vllm import process as vllm_process
from roadtrain.frames.alone import Reading
from roadtrain.markup import json_line, visible
from roadtrain.spec.arguments import add_section, vision_setting
from roadtrain.spec.frames import Frames
from roadtrain.workers import JobLimits


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", required=True, metavar="FILE")
    parser.add_argument("--question", required=True, action="append", help="once or several times")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--server", metavar="URL", help="of an OpenAI-compatible server, as serve.py starts")
    where.add_argument("--checkpoint", metavar="PATH", help="a directory, or a checkpoint's manifest")
    parser.add_argument("--model", help="the name that the server gives the model (its first)")
    parser.add_argument(
        "--vision", metavar="JSON", help='as in the spec: {"nframes": 8} (--checkpoint: default: that of its run)'
    )
    add_section(parser, "frames", Frames)
    parser.add_argument("--system-prompt", help="default: that of the checkpoint's run, or the recipe's")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="default: %(default)s")
    parser.add_argument(
        "--format", choices=["text", "json"], default="text", help="json: one line a question (%(default)s)"
    )
    parser.add_argument("--stream", action="store_true", help="text as it comes, question after question")
    args = parser.parse_args()

    limits = JobLimits(args.frames.timeout, args.frames.memory)
    vision = vision_setting(args.vision) if args.vision else None
    request = VideoQuestions(args.video, args.question, args.system_prompt, args.max_new_tokens, args.stream)
    if args.server:
        vllm_process.enter_for_package("openai")
        answers = ask_server(Client(args.server, args.model), request, vision, Reading(args.frames.reader, limits))
    else:
        answers = ask_checkpoint(setting_of(args.checkpoint, args.vision), request, limits)
    for question, pieces in answers:
        if args.format == "json":
            line = {"video": args.video, "question": question, "answer": "".join(pieces).strip()}
            print(json_line(line), end="", flush=True)
            continue
        if len(args.question) > 1:
            print(f"{visible(question)}\n  ", end="")
        for piece in pieces:
            print(visible(piece), end="", flush=args.stream)
        print(flush=True)


if __name__ == "__main__":
    main()
