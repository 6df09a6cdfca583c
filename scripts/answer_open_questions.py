#!/usr/bin/env python3
"""Ask several checkpoints the spec's open questions about some validation videos: nothing here is scored.

Inputs: manifests of the checkpoints (or best.json), the validation conversations and their frame index. Output (JSON):
items [{question, video, picture (frames as a JPEG data URI, null when the cache has lost them), answers {checkpoint:
text}}], and checkpoints {name: sha256}. Videos are spread evenly over the split.
"""

import argparse
import gc
import os
from pathlib import Path

from roadtrain import cli
from roadtrain.data.llava import group_by_clip, read_entries
from roadtrain.files import read_json, write_json
from roadtrain.frames.index import FrameIndex
from roadtrain.spec.arguments import add_section
from roadtrain.spec.open_questions import OpenQuestions


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--checkpoints", required=True, nargs="+", help="manifests, or best.json, in the order of the page"
    )
    parser.add_argument("--llava", required=True, help="validation conversations")
    parser.add_argument("--frames", required=True, help="index of their frames")
    add_section(parser, "open_questions", OpenQuestions, required=True)
    parser.add_argument("--system-prompt", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (%(default)s)")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    spec: OpenQuestions = args.open_questions
    if not spec.questions:
        raise cli.UserError("open_questions.questions: []: nothing to ask")

    frames = FrameIndex.load(args.frames)
    clips = chosen([clip for clip in group_by_clip(read_entries(args.llava)) if clip in frames], spec.videos)
    if not clips:
        raise ValueError(f"{args.frames}: no video of {args.llava} has frames")
    manifests = [manifest(path) for path in args.checkpoints]
    items = [
        {"question": question, "video": clip[0], "picture": picture(frames.rows_of(clip)[0]["file"]), "answers": {}}
        for question in spec.questions
        for clip in clips
    ]
    for one in manifests:
        said = answers(one["path"], frames, clips, args)
        for item, text in zip(items, said, strict=True):
            item["answers"][one["checkpoint"]] = text
    write_json(args.output, {"items": items, "checkpoints": {one["checkpoint"]: one["sha256"] for one in manifests}})


def manifest(path: str) -> dict:
    """A checkpoint's manifest; best.json names one."""
    value = read_json(path)
    return read_json(value["manifest"]) if "manifest" in value else value


def chosen(clips: list, count: int) -> list:
    """`count` of them, evenly spread, in their order."""
    count = min(count, len(clips))
    return [clips[n * len(clips) // count] for n in range(count)]


def picture(file: str) -> str | None:
    from roadtrain.paper.thumbnails import data_uri, strip

    jpeg = strip(Path(file))
    return data_uri(jpeg) if jpeg else None


def answers(path: str, frames: FrameIndex, clips: list, args: argparse.Namespace) -> list[str]:
    """In the order of the items: question by question, each about every clip. A clip is read once."""
    import torch

    from roadtrain.evaluate.asking import Asker

    torch.set_num_threads(args.threads)
    asker = Asker(path, args.system_prompt)
    said = [
        asker.ask(frames.clip(*clip), args.open_questions.questions, args.open_questions.max_new_tokens)
        for clip in clips
    ]
    del asker
    gc.collect()  # the next checkpoint needs the room
    return [of_clip[q] for q in range(len(args.open_questions.questions)) for of_clip in said]


if __name__ == "__main__":
    main()
