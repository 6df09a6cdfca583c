#!/usr/bin/env python3
"""Does a deployed model work? Health, models, one question about a video, accuracy on some validation questions.

URL is any OpenAI-compatible server with video: vLLM (serve.py), NIM. Questions come from the run's conversations, the
first of N different videos spread over the file, so that a few say something. Exit code 1 when a check fails.
"""

import argparse
import json

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question, group_by_clip
from roadtrain.deploy.client import Client
from roadtrain.deploy.serving import SYSTEM_PROMPT
from roadtrain.evaluate import answers
from roadtrain.evaluate.vllm import process as vllm_process


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--llava", required=True, help="validation questions: results/<run>/data/val.llava.json")
    parser.add_argument("--media", required=True, help="the folder that their videos are relative to")
    parser.add_argument("--count", type=int, default=20, help="questions for the accuracy (%(default)s)")
    parser.add_argument("--min-accuracy", type=float, default=0.0, help="less fails (%(default)s)")
    parser.add_argument("--model", help="the name that the server gives the model (its first)")
    parser.add_argument("--system-prompt", default=SYSTEM_PROMPT, help="that of the training (%(default)s)")
    parser.add_argument("--max-new-tokens", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: %(default)s")
    args = parser.parse_args()

    vllm_process.enter_for_package("openai")
    checks = run(args)
    failed = [check for check in checks if not check["ok"]]
    if args.format == "json":
        print(json.dumps({"url": args.url, "passed": not failed, "checks": checks}, indent=2, ensure_ascii=False))
    else:
        print(
            "\n".join(f"{'ok    ' if check['ok'] else 'FAILED'} {check['name']}: {check['found']}" for check in checks)
        )
    if failed:
        raise SystemExit(1)


def run(args: argparse.Namespace) -> list[dict]:
    """[{name, ok, found}]; what needs a server that doesn't answer is left out."""
    chosen = spread(args.llava, args.count)
    client = Client(args.url, args.model)
    path = client.healthy()
    checks = [{"name": "health", "ok": path is not None, "found": path or f"{client.url} doesn't answer"}]
    if path is None:
        return checks
    models = client.models()
    wanted = args.model or (models[0] if models else None)
    checks.append({"name": "models", "ok": wanted in models, "found": ", ".join(models) or "none"})
    if wanted not in models:
        return checks
    right = 0
    for number, entry in enumerate(chosen):
        said = client.ask(f"{args.media}/{entry.video}", entry.prompt, args.system_prompt, args.max_new_tokens)
        letter = answers.parse_answer(said, entry.options)
        right += letter == entry.answer
        if number == 0:
            checks.append(
                {
                    "name": "a question about a video",
                    "ok": letter is not None,
                    "found": f"{entry.text} {said!r} means {letter}",
                }
            )
    accuracy = right / len(chosen)
    found = f"{accuracy:.3f} ({right} of {len(chosen)} questions)"
    checks.append(
        {
            "name": "accuracy",
            "ok": accuracy >= args.min_accuracy,
            "found": found,
            "accuracy": accuracy,
            "questions": len(chosen),
        }
    )
    return checks


def spread(llava: str, count: int) -> list[Question]:
    """`count` multiple-choice questions of as many videos as there are, in the file's order. Whole videos only: a
    window can't be sent. Raises ValueError when there is none."""
    plain = (q for q in read_questions(llava) if q.options and q.clip.is_whole_video and not q.history)
    clips = group_by_clip(plain)
    if not clips:
        raise ValueError(f"{llava}: no multiple-choice question about a whole video")
    videos = list(clips.values())
    rounds = [(n, k) for k in range(max(map(len, videos))) for n in range(len(videos)) if k < len(videos[n])]
    # A different question of each video first, or all would be asked about the weather.
    picked = [(n, (n + k) % len(videos[n])) for n, k in rounds[:count]]
    return [videos[n][k] for n, k in sorted(picked)]


if __name__ == "__main__":
    main()
