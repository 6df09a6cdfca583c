#!/usr/bin/env python3
"""Ask several checkpoints the spec's open questions about some validation videos: nothing here is scored.

Inputs: manifests of the checkpoints (or best.json), the validation conversations and their frame index. Output (JSON):
items [{question, video, picture (frames as a JPEG data URI, null when the cache has lost them), answers {checkpoint:
text}}], and checkpoints {name: sha256}. Videos are spread evenly over the split.

    python scripts/answer_open_questions.py --checkpoints results/sample/nframes8/checkpoints/zero_shot.json results/sample/nframes8/best.json \\
        --llava results/sample/data/val.llava.json --frames results/sample/frames/nframes8_min4096_max17408/val.json \\
        --system-prompt 'You are a helpful assistant.' \\
        --open-questions '{"questions": ["What happens?"]}' --output open.json
"""

import argparse
import os
from pathlib import Path
from typing import Any

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.data.question import group_by_clip
from roadtrain.evaluate.open_questions import answer_about_clips, evenly_spread
from roadtrain.files import write_json
from roadtrain.frames.index import FrameIndex
from roadtrain.model.checkpoints import read_manifest
from roadtrain.paper.thumbnails import data_uri, strip
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
    parser.add_argument("--threads", type=cli.at_least(1), default=os.cpu_count(), help="CPU threads (%(default)s)")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    section: OpenQuestions = args.open_questions
    if not section.questions:
        raise cli.UserError("open_questions.questions: []: nothing to ask")

    frames = FrameIndex.load(args.frames)
    with_frames = [clip for clip in group_by_clip(read_questions(args.llava)) if clip in frames]
    if not with_frames:
        raise ValueError(f"{args.frames}: no video of {args.llava} has frames")
    clips = evenly_spread(with_frames, section.videos)
    manifests = [read_manifest(path) for path in args.checkpoints]
    pictures = {clip: picture(frames.rows_of(clip)[0]["file"]) for clip in clips}
    items: list[dict[str, Any]] = [
        {"question": question, "video": clip.first.file, "picture": pictures[clip], "answers": {}}
        for question in section.questions
        for clip in clips
    ]
    for manifest in manifests:
        answers = answer_about_clips(
            manifest["path"],
            frames,
            clips,
            section.questions,
            system_prompt=args.system_prompt,
            max_new_tokens=section.max_new_tokens,
            threads=args.threads,
        )
        for item, answer in zip(items, answers, strict=True):
            item["answers"][manifest["checkpoint"]] = answer
    checkpoints = {manifest["checkpoint"]: manifest["sha256"] for manifest in manifests}
    write_json(args.output, {"items": items, "checkpoints": checkpoints})


def picture(file: str) -> str | None:
    """The frames of a clip as a data URI; None when the cache has lost them."""
    jpeg = strip(Path(file))
    return data_uri(jpeg) if jpeg else None


if __name__ == "__main__":
    main()
