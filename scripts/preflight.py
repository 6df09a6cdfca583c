#!/usr/bin/env python3
"""Check a training run before a GPU is touched: tokens per video, longest sequence, steps, memory, time, and every
mistake that users of cosmos-rl and of the recipe are known to make.

Inputs: the run's TOML, the conversations and the videos that it names (headers only: what they promise;
show_plan.py counts what was decoded, once it was). Output: preflight.json and a table.
What this machine has (the model, GPUs) is checked, too, but not written. Exit code 1 when a check finds a problem: one line
each, with the remedy. What could not be checked is said, and is none.

    python scripts/preflight.py --toml results/sample/nframes8/sft.toml --output preflight.json
"""

import argparse
import tomllib
from pathlib import Path

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.files import write_json
from roadtrain.frames.prober import Looking
from roadtrain.markup import visible
from roadtrain.spec.arguments import add_key, add_section
from roadtrain.spec.data import Data
from roadtrain.spec.frames import Frames
from roadtrain.spec.quantize import Quantize
from roadtrain.train.cosmos import schema
from roadtrain.train.preflight.checks import is_problem
from roadtrain.train.preflight.media import plan_clips
from roadtrain.train.preflight.report import all_checks, preflight_report
from roadtrain.train.toml_config import read_train_run


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", required=True)
    parser.add_argument("--output", required=True, help="preflight.json")
    add_section(parser, "quantize", Quantize)
    add_section(parser, "frames", Frames)
    add_key(parser, Data, "media_links")
    args = parser.parse_args()

    run = read_train_run(args.toml)
    toml = tomllib.loads(Path(args.toml).read_text(encoding="utf-8"))
    questions = list(read_questions(run.llava))
    report = preflight_report(
        run,
        toml,
        questions,
        plan_clips(
            run, questions, Looking("full", args.media_links == "follow", args.frames.timeout, args.frames.memory)
        ),
        gpus=toml["custom"]["local"].get("gpus", toml["policy"]["parallelism"]["dp_shard_size"]),
        calibration_max_length=args.quantize.calibration_max_length,
        engine_checks=[schema.reading_check(toml)] if run.engine == "cosmos-rl" else [],
    )
    write_json(args.output, report)
    checks = all_checks(report)
    for check in checks:
        print(f"{check.state:11} {check.name:24} {visible(check.found)}")
    problems = [f"{args.toml}: {check.name}: {check.found}: {check.remedy}" for check in checks if is_problem(check)]
    if problems:
        raise cli.UserError("\n".join(problems))


if __name__ == "__main__":
    main()
