#!/usr/bin/env python3
"""Does a server show the model what training showed it? Compares a server with the same checkpoint here, for videos of yours.

Each video is sent as the file that it is, and as just the frames that training saw. Compared are the number of the prompt's tokens,
the tokens and their times where the server says them (vLLM), what its /tokenize makes of a text, and the probabilities of
an answer's letters. Which frames the model got, and their pixels, can't be seen from outside: other pixels show as other
probabilities, and not always. docs/conformance.md has what reaches the model on every way that could be looked into.
Exit code 1 when something differs.

    python scripts/conformance.py http://127.0.0.1:8000 --checkpoint sample/nframes8 --video clip.mp4 other.mp4
"""

import argparse
import json

from roadtrain import cli
from roadtrain.deploy.client import Client
from roadtrain.deploy.serving import setting_of
from roadtrain.deploy.words_of_questions import question_of
from roadtrain.markup import visible_line
from roadtrain.spec.arguments import add_section
from roadtrain.spec.frames import Frames
from roadtrain.workers import JobLimits


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="URL")
    parser.add_argument(
        "--checkpoint", required=True, help="what the server serves: RUN/ABLATION, a manifest, a directory"
    )
    parser.add_argument("--video", required=True, nargs="+", help="files; odd ones show most")
    parser.add_argument("--vision", metavar="JSON", help='as in the spec: {"nframes": 8} (of the checkpoint\'s run)')
    parser.add_argument("--send", nargs="+", choices=["file", "frames"], default=["file", "frames"], help="(both)")
    parser.add_argument("--question", default="Is it day or night?", help="default: %(default)s")
    parser.add_argument("--options", default="Day|Night", help="default: %(default)s")
    parser.add_argument("--tolerance", type=float, default=0.02, help="of a probability (%(default)s)")
    parser.add_argument("--model", help="the name that the server gives the model (its first)")
    add_section(parser, "frames", Frames)
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: %(default)s")
    args = parser.parse_args()

    setting, client = setting_of(args.checkpoint, args.vision), Client(args.url, args.model)
    if client.healthy() is None:
        raise cli.UserError(f"{client.url}: no server answers there; start it, or name its address")
    from roadtrain.deploy.conformance import Comparing, compare_server, report_in_words, text_is_the_same
    from roadtrain.evaluate.asking import Asker

    limits = JobLimits(args.frames.timeout, args.frames.memory)
    comparing = Comparing(question_of(args.question, args.options, "--options"), args.send, args.tolerance, limits)
    asker = Asker(setting.path, setting.system_prompt)
    same_text = text_is_the_same(client, asker, comparing.question, setting.system_prompt)
    reports = compare_server(client, setting, asker, args.video, comparing)
    equal = same_text is not False and all(report["equal"] for report in reports)
    if args.format == "json":
        print(json.dumps({"url": client.url, "equal": equal, "same_text": same_text, "videos": reports}, indent=2))
    else:
        words = {True: "the tokens of training", False: "OTHER TOKENS than in training", None: "no /tokenize to ask"}
        print(f"a text alone: {words[same_text]}")
        for report in reports:
            state = "equal  " if report["equal"] else "DIFFERS"
            print(visible_line(f"{state} {report['video']}, the {report['sent']}: {report_in_words(report)}"))
    if not equal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
