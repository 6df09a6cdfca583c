#!/usr/bin/env python3
"""Unit costs of a finished run's files, for scale.py: bytes of the frame cache a vision token, bytes of predictions a
question, core seconds of scoring a question.

    PYTHONPATH=scripts python scripts/dev/bench_scale.py results/sample --output docs/figures/bench_scale.json
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dev.machine import cpu
from roadtrain import cli
from roadtrain.files import read_json, write_json

COPIES = 50  # of a run's predictions: more to score than the start of the program


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="results/<run>, finished, with its frame cache")
    parser.add_argument("--output", type=Path, help="JSON")
    args = parser.parse_args()
    result = measure(args.run)
    if args.output:
        write_json(args.output, result)
    for name, unit in result["units"].items():
        print(f"{unit['value']:12.6g}  {unit['words']} ({name})")


def measure(run: Path) -> dict[str, Any]:
    """Unit costs of a finished run's files (`run`: results/<run>, of which the cache is two folders up)."""
    indexes = [read_json(file) for file in run.glob("frames/*/*.json")]
    clips = [clip for index in indexes for clip in index["clips"]]
    files = sum((run.parents[1] / clip["file"]).stat().st_size for clip in clips)
    predictions = next(run.glob("*/predictions/epoch_1.jsonl"))
    rows = predictions.read_text(encoding="utf-8").splitlines()
    few, many = (scoring_seconds(predictions, rows, times) for times in (1, COPIES))
    units = {
        "frames_bytes": (
            files / sum(clip["vision_tokens"] for clip in clips),
            "bytes of the frame cache a vision token",
        ),
        "prediction_bytes": (predictions.stat().st_size / len(rows), "bytes a question and checkpoint"),
        "score_question": ((many - few) / ((COPIES - 1) * len(rows)), "core s a question and checkpoint"),
    }
    return {
        "command": "PYTHONPATH=scripts python scripts/dev/bench_scale.py results/sample",
        "machine": {"cpu": cpu(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)},
        "counts": {"clips": len(clips), "questions": len(rows), "copies": COPIES},
        "units": {name: {"value": value, "words": words} for name, (value, words) in units.items()},
    }


def scoring_seconds(predictions: Path, rows: list[str], times: int) -> float:
    """Core seconds of scoring so many copies of the rows, as questions and scenarios of their own."""
    with tempfile.TemporaryDirectory() as folder:
        copies = Path(folder, "copies.jsonl")
        with open(copies, "w", encoding="utf-8") as out:
            for copy in range(times):
                for line in rows:
                    value = json.loads(line)
                    value |= {"id": f"{value['id']}_{copy}", "scenario": f"{value['scenario']}_{copy}"}
                    out.write(json.dumps(value) + "\n")
        source = predictions.with_suffix(".source.json")
        program = Path(__file__).parents[1] / "score.py"
        command = [sys.executable, str(program), "--predictions", str(copies), "--source", str(source)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*command, "--spec-hash", "0", "--accuracy", f"{folder}/a.json"], check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
