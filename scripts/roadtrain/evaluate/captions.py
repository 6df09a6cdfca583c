"""The challenge's caption score of a submission: every phase of every scenario against its reference captions.

    submission   {"<scenario or BDD_PC_5K's video>": [{"labels": ["0"], "caption_pedestrian": "..", "caption_vehicle": ".."}, ..]}
    references   <scenario>_caption.json: {"event_phase": [the same, with times]}

As in the official scorer (woven-visionai/wts-dataset, evaluation/eval-metrics-AIC-Track2): a phase is known by its label;
one that the submission lacks, or whose scenario it lacks, counts 0; files of the vehicle view are left aside, since a
scenario's views share their captions; the WTS scenarios (internal) and BDD_PC_5K (external) are scored apart, and the
final score is the mean of both. Unlike it, a submission that can be read in two ways is refused.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from roadtrain.cli import UserError
from roadtrain.data.sources.annotation_files import load_json
from roadtrain.data.sources.base import Malformed, describe_value, required_value
from roadtrain.evaluate.caption_metrics import CaptionScores, caption_points, caption_scores, mean_scores

SUBJECTS = ("pedestrian", "vehicle")
SUFFIX = "_caption.json"
INTERNAL, EXTERNAL = "annotations", "external/BDD_PC_5K/annotations"

PhaseCaptions = dict[str, str]  # {subject: text}
ScenarioCaptions = dict[str, list[tuple[str, PhaseCaptions]]]  # {scenario: [(label, captions)]}


class CaptionSetScore(TypedDict):
    """Of the internal or the external set."""

    scenarios: int
    phases: int
    pedestrian: CaptionScores  # means over the phases
    vehicle: CaptionScores
    mean: CaptionScores  # of both
    score: float  # 0 to 100: the mean of 100 BLEU-4, 100 METEOR, 100 ROUGE-L, 10 CIDEr
    by_scenario: dict[str, float]  # {scenario: its score by itself}
    missing_scenarios: list[str]  # of the submission: they count 0
    missing_phases: list[str]  # <scenario> <label>
    unknown_phases: list[str]  # the same, of the submission without a reference: nobody scores them


class QuestionScore(TypedDict):
    """Of the challenge's questions (eval-metrics-AIC-Track2_VQA): what is missing counts as wrong."""

    questions: int
    correct: int
    wrong: int
    missing: int
    unknown: list[str]  # questions of the submission that have no right answer: nobody scores them
    accuracy: float  # 0 to 1


class ChallengeScore(TypedDict):
    """The JSON of scripts/score_captions.py."""

    sets: dict[str, CaptionSetScore]  # internal, external
    captions: float  # 0 to 100: the mean of the sets' scores
    unknown: list[str]  # scenarios of the submission without a reference: nobody scores them
    vqa: NotRequired[QuestionScore]
    s2: NotRequired[float]  # 0 to 100: the mean of the caption score and the percentage of right answers
    software: dict[str, str]


def score_set(submission: ScenarioCaptions, references: ScenarioCaptions) -> CaptionSetScore:
    """Of one set. Raises ValueError without references."""
    if not references:
        raise ValueError("no reference captions: there is no score")
    scores: dict[str, list[CaptionScores]] = {subject: [] for subject in SUBJECTS}
    by_scenario: dict[str, float] = {}
    missing_scenarios, missing_phases, unknown_phases, phases = [], [], [], 0
    for scenario, rows in references.items():
        if scenario not in submission:
            missing_scenarios.append(scenario)
            by_scenario[scenario] = 0.0
            phases += len(rows)
            continue
        captions, wanted_captions = (
            dict(submission[scenario]),
            dict(rows),
        )  # of a label that is there twice the last counts
        missing_phases += [f"{scenario} {label}" for label in wanted_captions if label not in captions]
        unknown_phases += [f"{scenario} {label}" for label in captions if label not in wanted_captions]
        phases += len(wanted_captions)
        totals = []
        for subject in SUBJECTS:
            parts = [
                caption_scores(captions[label][subject], reference[subject])
                for label, reference in wanted_captions.items()
                if label in captions
            ]
            scores[subject] += parts
            totals.append(caption_points(mean_scores(parts, len(wanted_captions))))
        by_scenario[scenario] = sum(totals) / len(totals)
    means = [mean_scores(scores[subject], phases) for subject in SUBJECTS]
    mean = mean_scores(means)
    return {
        "scenarios": len(references),
        "phases": phases,
        "pedestrian": means[0],
        "vehicle": means[1],
        "mean": mean,
        "score": caption_points(mean),
        "by_scenario": by_scenario,
        "missing_scenarios": missing_scenarios,
        "missing_phases": missing_phases,
        "unknown_phases": unknown_phases,
    }


def score_challenge(submission: ScenarioCaptions, references: Mapping[str, ScenarioCaptions]) -> ChallengeScore:
    """Of all sets. `references`: {internal, external: captions}."""
    from importlib.metadata import version

    from roadtrain.evaluate.wordnet import VERSION

    sets = {name: score_set(submission, captions) for name, captions in references.items()}
    scenarios = {scenario for captions in references.values() for scenario in captions}
    return {
        "sets": sets,
        "captions": sum(part["score"] for part in sets.values()) / len(sets),
        "unknown": sorted(submission.keys() - scenarios),
        "software": {"nltk": version("nltk"), "rouge-score": version("rouge-score"), "wordnet": VERSION},
    }


def score_questions(submission: Mapping[str, str], references: Mapping[str, str]) -> QuestionScore:
    """{question: letter} of both. Raises ValueError without references."""
    if not references:
        raise ValueError("no reference answers: there is no accuracy")
    correct = sum(submission.get(id) == letter for id, letter in references.items())
    missing = sum(id not in submission for id in references)
    total = len(references)
    return {
        "questions": total,
        "correct": correct,
        "wrong": total - correct - missing,
        "missing": missing,
        "unknown": sorted(submission.keys() - references.keys()),
        "accuracy": correct / total,
    }


def s2(captions: float, accuracy: float) -> float:
    """The challenge's score from 0 to 100: half of it captions (0 to 100), half right answers (0 to 1)."""
    return (captions + 100 * accuracy) / 2


# ------------------------------------------------------------------------------------------------------ files
def read_caption_submission(file: str) -> ScenarioCaptions:
    """Raises Malformed naming the scenario, the phase and what was expected; FileNotFoundError."""
    value = load_json(file)
    if not isinstance(value, dict) or not value:
        raise Malformed(file, "", f"expected an object {{scenario: its phases}}, found {describe_value(value)}")
    captions: ScenarioCaptions = {}
    for scenario, phases in value.items():
        rows = captions[scenario] = read_phases(phases, file, scenario)
        labels = [label for label, _ in rows]
        if twice := next((label for label in labels if labels.count(label) > 1), None):
            raise Malformed(file, scenario, f"the phase {twice!r} is there twice; write it once")
    return captions


def read_phases(phases: Any, file: str, path: str) -> list[tuple[str, PhaseCaptions]]:
    """(label, captions) of each. Raises Malformed."""
    if not isinstance(phases, list):
        raise Malformed(file, path, f"expected a list of phases, found {describe_value(phases)}")
    rows = []
    for number, phase in enumerate(phases):
        place = f"{path}[{number}]"
        if not isinstance(phase, dict):
            raise Malformed(file, place, f"expected an object with labels and captions, found {describe_value(phase)}")
        labels = required_value(phase, "labels", list, file, place, 'a list of one label, as ["0"]')
        if len(labels) != 1 or not isinstance(labels[0], str):
            raise Malformed(file, f"{place}.labels", f'expected a list of one label, as ["0"], found {labels!r:.60}')
        texts = {
            subject: required_value(phase, f"caption_{subject}", str, file, place, "a caption") for subject in SUBJECTS
        }
        rows.append((labels[0], texts))
    return rows


def read_references(folder: str | Path, split: str | None = None) -> dict[str, ScenarioCaptions]:
    """{internal, external: captions} of a folder in WTS's layout; of one without `annotations` and `external`, all are internal.
    `split`: only files below a folder of that name. Raises UserError where there is none, or where a scenario is there twice."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    places = {"internal": folder / INTERNAL, "external": folder / EXTERNAL}
    there = {name: place for name, place in places.items() if place.is_dir()} or {"internal": folder}
    sets = {name: captions for name, place in there.items() if (captions := _read_captions(place, split))}
    if not sets:
        of_split = f" of the split {split}" if split else ""
        raise UserError(f"{folder}: no reference captions{of_split} (<scenario>{SUFFIX})")
    return sets


def absent_sets(folder: str | Path, sets: Mapping[str, ScenarioCaptions]) -> list[str]:
    """Folders of captions of which `read_references` took none: in words, since the score is that of the other set alone."""
    places = {"internal": INTERNAL, "external": EXTERNAL}
    there = {name: place for name, place in places.items() if (Path(folder) / place).is_dir()}
    return [
        f"{name}: no captions below {Path(folder) / place}: the score is of the other set alone"
        for name, place in there.items()
        if name not in sets
    ]


def _read_captions(folder: Path, split: str | None) -> ScenarioCaptions:
    captions: ScenarioCaptions = {}
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        parts = path.relative_to(folder).parts
        if "vehicle_view" in parts or split is not None and split not in parts:
            continue
        scenario = path.name.removesuffix(SUFFIX)
        if scenario in files:
            raise UserError(
                f"{path}: {files[scenario]} has captions of {scenario} too; say which split by --split, or keep one"
            )
        files[scenario] = path
        if rows := read_phases(_event_phases(str(path)), str(path), "event_phase"):
            captions[scenario] = rows
    if files and not captions:
        raise UserError(f"{folder}: not one phase in {len(files)} files of references: there is no score")
    return captions


def _event_phases(file: str) -> Any:
    value = load_json(file)
    record = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(record, dict):
        raise Malformed(file, "", f"expected an object with event_phase, found {describe_value(record)}")
    return required_value(record, "event_phase", list, file, "", "a list of phases")


def read_letters(file: str) -> dict[str, str]:
    """{question: letter} of a list of {"id", "correct"}, letters in lower case as the official scorer reads them. Raises
    Malformed, also for what is no letter: it would count as a wrong answer."""
    value = load_json(file)
    if not isinstance(value, list):
        raise Malformed(file, "", f"expected a list of objects with id and correct, found {describe_value(value)}")
    letters: dict[str, str] = {}
    for number, item in enumerate(value):
        place = f"[{number}]"
        if not isinstance(item, dict):
            raise Malformed(file, place, f"expected an object with id and correct, found {describe_value(item)}")
        id = required_value(item, "id", str, file, place, "the question's id")
        if id in letters:
            raise Malformed(file, place, f"the question {id!r} is there twice; answer it once")
        letter = required_value(item, "correct", str, file, place, "an option's letter")
        if not re.fullmatch("[a-zA-Z]", letter):
            raise Malformed(file, f"{place}.correct", f'expected an option\'s letter, as "a", found {letter!r:.60}')
        letters[id] = letter.lower()
    return letters


def leaves_out(part: CaptionSetScore) -> Sequence[str]:
    """What of a set is not there, or not scored, each in words."""
    return [
        *(f"scenario {name} is missing: its phases count 0" for name in part["missing_scenarios"]),
        *(f"phase {name} is missing: it counts 0" for name in part["missing_phases"]),
        *(f"phase {name} has no reference and is not scored" for name in part["unknown_phases"]),
    ]
