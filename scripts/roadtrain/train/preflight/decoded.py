"""A plan counted on what is there: once the clips are decoded, their index says which can be had, whatever headers promised.

preflight.json holds what the headers promise, whenever it is made, so that it is the same file each time; whoever shows a plan
looks at the index. Time and memory stay those of the promise: they need the model's tokenizer.
"""

from pathlib import Path
from typing import Any, cast

from roadtrain.data.llava import read_questions
from roadtrain.frames.index import FrameIndex
from roadtrain.train.preflight.media import decoded_clips
from roadtrain.train.preflight.report import PreflightReport, clip_counts, steps_per_epoch, summary
from roadtrain.train.questions import read_frame_index
from roadtrain.train.toml_config import TrainRun, read_train_run

PROMISED = "headers of the videos (promised: nothing is decoded yet)"
DECODED = "decoded frames"


def counted_report(report: PreflightReport, toml: str | Path) -> tuple[PreflightReport, str]:
    """(the report, on what its clips, questions, steps and vision tokens are counted). `toml`: the run's, beside it. Without an index
    of its frames, or with one of another vision setting, which will be made anew, the headers' promise."""
    if not Path(toml).exists():
        return report, PROMISED
    run = read_train_run(toml)
    if not Path(run.frames_index).exists() or not Path(run.llava).exists():
        return report, PROMISED
    try:
        frames = read_frame_index(run)
    except ValueError:
        return report, PROMISED
    return decoded_report(report, run, frames), DECODED


def decoded_report(report: PreflightReport, run: TrainRun, frames: FrameIndex) -> PreflightReport:
    """The report with the counts of the frames that are there."""
    questions = list(read_questions(run.llava))
    plans = decoded_clips(frames, questions)
    usable = {clip: plan for clip, plan in plans.items() if not isinstance(plan, str)}
    trained = [question for question in questions if question.clip in usable]
    steps = steps_per_epoch(run, trained, max(1, report["gpus"])) if trained else [0] * run.epochs
    counts: dict[str, Any] = {
        "clips": clip_counts(plans),
        "questions": len(trained),
        "vision_tokens": summary([plan.vision_tokens for plan, _ in usable.values()]),
        "steps_per_epoch": steps,
        "steps": sum(steps),
    }
    return cast(PreflightReport, {**report, **counts})
