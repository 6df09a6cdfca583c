"""Answers of a checkpoint: results/<run>/<ablation>/predictions/<checkpoint>.jsonl, one line a question.

The model's own words (`response`) are parsed again here, so that a better parser scores old predictions anew without
asking the model.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from roadtrain.evaluate import answers
from roadtrain.files import read_rows

# A row may also have `probabilities`: {letter: probability among the letters, where the answer begins}, or null.
KEYS = ("id", "video", "scenario", "question", "options", "prompt", "response", "answer", "correct", "is_correct")
# WTS names its overhead videos after their camera: 20230707_8_SN46_T1_Camera2_3.mp4
_CAMERA = re.compile(r"Camera(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Prediction:
    id: str
    video: str
    scenario: str
    question: str
    options: dict[str, str]
    response: str | None  # None: the question could not be asked (its video has no frames)
    correct: str
    answer: str | None  # the letter meant, or None when there is none or more than one
    first_capital: str | None  # the recipe's parse: the first capital letter anywhere
    probabilities: dict[str, float] | None = None  # of the option letters, where the answer begins

    @property
    def is_correct(self) -> bool:
        return self.answer == self.correct

    @property
    def camera(self) -> str:
        """Camera1, Camera2, .. as the file name says; else the folder of the view; else `unknown`."""
        named = _CAMERA.search(Path(self.video).name)
        if named:
            return f"Camera{named[1]}"
        views = [part for part in Path(self.video).parts if part.endswith("_view")]
        return views[-1] if views else "unknown"


def read_predictions(path: str | Path) -> list[Prediction]:
    """Every prediction, sorted by id. Raises ValueError naming file, line and what is wrong."""
    predictions: dict[str, Prediction] = {}
    for number, value in read_rows(path):
        missing = [key for key in KEYS if key not in value]
        if missing:
            raise ValueError(f"{path}: line {number}: key {missing[0]} is missing")
        if value["id"] in predictions:
            raise ValueError(f"{path}: line {number}: question {value['id']} is answered twice")
        predictions[value["id"]] = _prediction(value)
    if not predictions:
        raise ValueError(f"{path}: no predictions")
    return [predictions[id] for id in sorted(predictions)]


def _prediction(value: dict) -> Prediction:
    options = value["options"] if isinstance(value["options"], dict) else {}
    response = value["response"]
    return Prediction(
        id=value["id"],
        video=value["video"],
        scenario=value["scenario"],
        question=value["question"],
        options=options,
        response=response,
        correct=value["correct"],
        answer=answers.parse(response or "", options),
        first_capital=answers.first_capital(response or ""),
        probabilities=value.get("probabilities"),
    )
