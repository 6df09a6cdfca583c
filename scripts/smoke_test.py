#!/usr/bin/env python3
"""Does a deployed model work? Health, models, one question about a video, accuracy on some validation questions.

URL is any OpenAI-compatible server with video: vLLM (serve.py), NIM. Questions come from the run's conversations, the
first of N different videos spread over the file, so that a few say something. With --vision videos are decoded here and the
frames that training saw are sent; without it the files are, and the server samples them by its own reader. A question about several
videos is sent all of them. Where the conversations have reasoning, answers are read after it. Exit code 1 when a check fails; then
it is said what the server's addresses answer, how its log is read, and what to look at.

    python scripts/smoke_test.py http://127.0.0.1:8000 --llava results/sample/data/val.llava.json --media data/sample/videos/val
"""

import argparse
import json
import sys

from roadtrain import cli
from roadtrain.deploy.client import Client
from roadtrain.deploy.operator_hints import operator_hints
from roadtrain.deploy.serving import SYSTEM_PROMPT
from roadtrain.deploy.smoke import Asking, check_server, spread_questions
from roadtrain.deploy.transport import Refusal
from roadtrain.frames.alone import Reading
from roadtrain.markup import visible_line
from roadtrain.spec.arguments import add_key, add_section, vision_setting
from roadtrain.spec.data import Data
from roadtrain.spec.evaluate import Evaluate, Reasoning
from roadtrain.spec.frames import Frames
from roadtrain.workers import JobLimits


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--llava", required=True, help="validation questions: results/<run>/data/val.llava.json")
    parser.add_argument("--media", required=True, help="the folder that their videos are relative to")
    add_key(parser, Data, "media_links")
    parser.add_argument("--vision", metavar="JSON", help='as in the spec: {"nframes": 8}')
    add_section(parser, "frames", Frames)
    parser.add_argument("--count", type=cli.at_least(1), default=20, help="questions for the accuracy (%(default)s)")
    parser.add_argument("--min-accuracy", type=float, default=0.0, help="less fails (%(default)s)")
    parser.add_argument("--model", help="the name that the server gives the model (its first)")
    parser.add_argument("--system-prompt", default=SYSTEM_PROMPT, help="that of the training (%(default)s)")
    add_key(parser, Evaluate, "max_new_tokens")
    parser.add_argument(
        "--reasoning-tokens",
        type=cli.at_least(1),
        metavar="N",
        help="the checkpoint reasons before it answers, <think>..</think><answer>..</answer>, in at most N tokens (default, where the"
        f" conversations have reasoning: {Reasoning().max_new_tokens})",
    )
    parser.add_argument(
        "--deploy",
        metavar="DIR",
        help="where it was launched from, results/<run>/<ablation>/deploy: a failure names its container and its log",
    )
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: %(default)s")
    args = parser.parse_args()

    questions = spread_questions(args.llava, args.count)
    with_reasoning = args.reasoning_tokens is not None or any(question.reasoning for question in questions)
    reasoning_tokens = args.reasoning_tokens or Reasoning().max_new_tokens
    asking = Asking(
        args.media,
        vision_setting(args.vision) if args.vision else None,
        Reading(args.frames.reader, JobLimits(args.frames.timeout, args.frames.memory)),
        args.media_links == "follow",
        args.system_prompt,
        reasoning_tokens if with_reasoning else args.max_new_tokens,
        with_reasoning,
        args.min_accuracy,
    )
    try:
        checks = check_server(Client(args.url, args.model), args.model, questions, asking)
    except Refusal:
        for hint in operator_hints(args.url, [], args.deploy):
            print(visible_line(hint), file=sys.stderr)
        raise
    failed = [check["name"] for check in checks if not check["ok"]]
    hints = operator_hints(args.url, failed, args.deploy) if failed else []
    if args.format == "json":
        print(json.dumps({"url": args.url, "passed": not failed, "checks": checks, "hints": hints}, indent=2))
    else:
        for check in checks:
            print(f"{'ok    ' if check['ok'] else 'FAILED'} {check['name']}: {visible_line(check['found'])}")
        for hint in hints:
            print(f"       {visible_line(hint)}")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
