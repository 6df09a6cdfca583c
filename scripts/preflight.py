#!/usr/bin/env python3
"""Check a training run before a GPU is touched: tokens per video, longest sequence, steps, memory, time, and every
mistake that users of cosmos-rl and of the recipe are known to make.

Inputs: the run's TOML, the conversations and the videos that it names (headers only). Output: preflight.json and a table.
Exit code 1 when a check fails: one line each, with the remedy.
"""

import argparse
import tomllib
from pathlib import Path
from typing import Any

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question
from roadtrain.files import write_json
from roadtrain.frames.probe import Bad, Still, probe
from roadtrain.frames.sampling import Picture, picture_size, sample
from roadtrain.media import Clip, Medium
from roadtrain.spec.arguments import add_section
from roadtrain.spec.quantize import Quantize
from roadtrain.train import toml_config
from roadtrain.train.preflight import Several, report


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", required=True)
    parser.add_argument("--output", required=True, help="preflight.json")
    add_section(parser, "quantize", Quantize)
    args = parser.parse_args()

    run = toml_config.read_train_run(args.toml)
    toml = tomllib.loads(Path(args.toml).read_text(encoding="utf-8"))
    entries = list(read_questions(run.llava))
    gpus = toml["custom"]["local"].get("gpus", toml["policy"]["parallelism"]["dp_shard_size"])
    found = report(run, toml, entries, plans(run, entries), gpus, args.quantize.calibration_max_length)
    write_json(args.output, found)
    for check in found["checks"]:
        print(f"{'ok  ' if check['ok'] else 'FAIL'} {check['name']:24} {check['found']}")
    failed = [
        f"{args.toml}: {check['name']}: {check['found']}: {check['remedy']}"
        for check in found["checks"]
        if not check["ok"]
    ]
    if failed:
        raise cli.UserError("\n".join(failed))


def plans(run: toml_config.TrainRun, questions: list[Question]) -> dict[Clip, tuple | str]:
    """{clip: (what is sampled, frames a second)}, or the reason why a clip can't be."""
    clips = list(dict.fromkeys(question.clip for question in questions))
    media = sorted({medium for clip in clips for medium in clip.media}, key=str)
    files = dict.fromkeys((medium.file, medium.kind) for medium in media)
    probes = {(file, kind): probe(str(Path(run.media, file)), "full", kind) for file, kind in files}
    of_media = {medium: _plan(run.vision, medium, probes[medium.file, medium.kind]) for medium in media}
    result: dict[Clip, tuple | str] = {}
    for clip in clips:
        reasons = [plan for medium in clip.media if isinstance(plan := of_media[medium], str)]
        if reasons:
            result[clip] = reasons[0]
        elif len(clip.parts) == 1:
            result[clip] = of_media[clip.first]
        else:
            parts = tuple(of_media[part] if isinstance(part, Medium) else part for part in clip.parts)
            result[clip] = (Several(parts), None)
    return result


def _plan(vision: dict, medium: Medium, known: Any) -> tuple | str:
    if isinstance(known, Bad):
        return known.reason
    try:
        if isinstance(known, Still):
            return Picture(*picture_size(vision, known.height, known.width)), None
        plan = sample(
            vision,
            total_frames=known.frames,
            fps=known.fps,
            height=known.height,
            width=known.width,
            start=medium.start,
            end=medium.end,
        )
        return plan, known.fps
    except ValueError as error:
        return str(error)


if __name__ == "__main__":
    main()
