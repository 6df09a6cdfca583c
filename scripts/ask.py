#!/usr/bin/env python3
"""Ask a checkpoint or a server about a video file, or a picture; or about several together, as data.views: together.

    python scripts/ask.py wts-environment/nframes8 --video clip.mp4 --question "What is the weather?" --options "Sunny|Rainy"
    python scripts/ask.py sample/nframes8/zero_shot --video clip.mp4 --questions questions.txt --format json
    python scripts/ask.py --video clip.mp4 --question "What is the weather?" --server http://127.0.0.1:8000
    python scripts/ask.py wts-environment/together --video north.mp4 --video east.mp4 --question "How many cars are there?"

CHECKPOINT is RUN/ABLATION (its best epoch), RUN/ABLATION/epoch_2 (zero_shot, fp8), a directory, or a manifest. The video is decoded
as in training and the model runs here, in plain PyTorch; it is read once for all questions. With --server and --vision it is decoded
here, too, and just those frames are sent; without --vision the file is sent, and the server samples it by its own reader.

With --options the prompt is the one that training makes of a question and its options; every option gets the probability of its
letter (a server: where it gives them). In a file of questions each has a line, its options behind it: What is the weather? | Sunny | Rainy

A server's key: ROADTRAIN_API_KEY, sent only to ROADTRAIN_API_SERVER. Without such a server none is sent.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from tqdm import tqdm

from roadtrain import cli
from roadtrain.deploy.ask import Answer, VideoQuestions, ask_checkpoint, ask_server
from roadtrain.deploy.client import Client
from roadtrain.deploy.serving import setting_of
from roadtrain.deploy.words_of_questions import QuestionWords, questions_of_file, questions_of_words
from roadtrain.frames.alone import Reading
from roadtrain.markup import json_line, visible, visible_line
from roadtrain.spec.arguments import add_key, add_section, vision_setting
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.frames import Frames
from roadtrain.workers import JobLimits


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="RUN/ABLATION, or as above")
    parser.add_argument("--checkpoint", dest="path", metavar="CHECKPOINT", help="the same")
    parser.add_argument("--server", metavar="URL", help="of an OpenAI-compatible server, as serve.py starts")
    parser.add_argument(
        "--video",
        "--image",
        dest="videos",
        action="append",
        required=True,
        metavar="FILE",
        help="a video, or a picture by its ending; several times: all in one prompt, in this order",
    )
    parser.add_argument("--question", action=QuestionWords, metavar="TEXT", help="once or several times")
    parser.add_argument(
        "--options", action=QuestionWords, metavar="TEXTS", help='of the --question before it: "Sunny|Rainy"'
    )
    parser.add_argument("--questions", dest="file", metavar="FILE", help="one a line, options behind it with |")
    parser.add_argument("--model", help="the name that the server gives the model (its first)")
    parser.add_argument("--vision", metavar="JSON", help='as in the spec: {"nframes": 8} (default: that of the run)')
    add_section(parser, "frames", Frames)
    parser.add_argument("--system-prompt", help="default: that of the checkpoint's run, or the recipe's")
    add_key(parser, Evaluate, "max_new_tokens", default=256)
    parser.add_argument(
        "--format", choices=["text", "json"], default="text", help="json: one line a question (%(default)s)"
    )
    parser.add_argument("--stream", action="store_true", help="text as it comes, question after question")
    args = parser.parse_args()
    places = [place for place in (args.checkpoint, args.path, args.server) if place is not None]
    if len(places) != 1:
        parser.error("name one CHECKPOINT (RUN/ABLATION, a directory, a manifest), or --server")
    words = getattr(args, "questions", None) or []
    if not words and not args.file:
        parser.error("give --question, or --questions FILE")

    questions = questions_of_words(words) + (questions_of_file(args.file) if args.file else [])
    limits = JobLimits(args.frames.timeout, args.frames.memory)
    request = VideoQuestions(args.videos, questions, args.system_prompt, args.max_new_tokens, args.stream)
    progress = Progress(len(args.videos) + (1 if args.server else 2))
    if args.server:
        vision = vision_setting(args.vision) if args.vision else None
        reading = Reading(args.frames.reader, limits)
        answers = ask_server(Client(args.server, args.model), request, vision, reading, progress.say)
    else:
        answers = ask_checkpoint(setting_of(places[0], args.vision), request, limits, progress.say)
    about = {"video": args.videos[0]} | ({"videos": args.videos} if len(args.videos) > 1 else {})
    for answer in progress.until_words(answers):
        if args.format == "json":
            print(json_line(about | answer.whole()), end="", flush=True)
        else:
            print_answer(answer, args.stream, several=len(questions) > 1)


class Progress:
    """What is done before the first words come, in one line of a terminal's stderr."""

    def __init__(self, steps: int) -> None:
        form = "{n_fmt}/{total_fmt} {desc}"
        self._bar = tqdm(total=steps, bar_format=form, leave=False, disable=None)  # None: not where nobody looks

    def say(self, words: str) -> None:
        """What is done now."""
        self._bar.set_description_str(f"{visible_line(words)} ..", refresh=False)
        self._bar.update()
        self._bar.refresh()

    def until_words(self, answers: Iterator[Answer]) -> Iterator[Answer]:
        """The answers; the line is gone when words of the first have come, or an error."""
        try:
            for answer in answers:
                first = next(answer.pieces, "")
                self._bar.close()
                yield replace(answer, pieces=chain([first], answer.pieces))
        finally:
            self._bar.close()


def print_answer(answer: Answer, stream: bool, several: bool) -> None:
    """For people: what is said, then the options with their probabilities, the one that the answer means marked."""
    if several:
        print(f"{visible(answer.question.text)}\n  ", end="")
    response = ""
    for piece in answer.pieces:
        response += piece
        print(visible(piece), end="", flush=stream)
    print(flush=True)
    if not answer.question.options:
        return
    choice = answer.choice(response.strip())
    for letter, text in choice["options"].items():
        share = f"{choice['probabilities'][letter]:7.2%}  " if choice["probabilities"] else ""
        print(f"  {'>' if letter == choice['letter'] else ' '} {letter}  {share}{visible_line(text)}")
    if choice["letter"] is None:
        print("    (the answer names none of them)")
    if choice["probabilities"] is None:
        print("    (no probabilities: the server names not every letter among its likeliest first tokens)")
    print(end="", flush=True)


if __name__ == "__main__":
    main()
