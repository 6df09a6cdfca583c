#!/usr/bin/env python3
"""Check a training run before a GPU is touched: tokens per video, longest sequence, steps, memory, time, and every
mistake that users of cosmos-rl and of the recipe are known to make.

Inputs: the run's TOML, the conversations and the videos that it names (headers only). Output: preflight.json and a table.
Exit code 1 when a check fails: one line each, with the remedy.
"""

import argparse
import tomllib
from pathlib import Path

from roadtrain import cli, toml_config
from roadtrain.files import write_json
from roadtrain.llava import read_entries
from roadtrain.preflight import report
from roadtrain.probe import Bad, probe
from roadtrain.vision import sample


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", required=True)
    parser.add_argument("--output", required=True, help="preflight.json")
    parser.add_argument("--calibration-max-length", type=int, help="tokens that quantization takes (none: nothing is quantized)")
    args = parser.parse_args()

    run = toml_config.read(args.toml)
    toml = tomllib.loads(Path(args.toml).read_text(encoding="utf-8"))
    entries = list(read_entries(run.llava))
    gpus = toml["custom"]["local"].get("gpus", toml["policy"]["parallelism"]["dp_shard_size"])
    found = report(run, toml, entries, plans(run, entries), gpus, args.calibration_max_length)
    write_json(args.output, found)
    for check in found["checks"]:
        print(f"{'ok  ' if check['ok'] else 'FAIL'} {check['name']:24} {check['found']}")
    failed = [f"{args.toml}: {check['name']}: {check['found']}: {check['remedy']}" for check in found["checks"] if not check["ok"]]
    if failed:
        raise cli.UserError("\n".join(failed))


def plans(run: toml_config.TrainRun, entries: list) -> dict:
    """{clip: (what is sampled, frames a second)}, or the reason why a clip can't be."""
    videos = {video: probe(str(Path(run.media, video))) for video in sorted({entry.video for entry in entries})}
    result = {}
    for video, start, end in dict.fromkeys(entry.clip for entry in entries):
        known = videos[video]
        if isinstance(known, Bad):
            result[video, start, end] = known.reason
            continue
        try:
            result[video, start, end] = (
                sample(
                    run.vision, total_frames=known.frames, fps=known.fps, height=known.height, width=known.width,
                    start=start, end=end,
                ),
                known.fps,
            )  # fmt: skip
        except ValueError as error:
            result[video, start, end] = str(error)
    return result


if __name__ == "__main__":
    main()
