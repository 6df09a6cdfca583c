"""What a checkpoint wrote about the phases of the validation split, scored as the challenge scores captions.

The cameras of a scenario share its captions; the challenge takes one text a phase, and which camera's is the team's choice. So
a phase counts the mean over its cameras: what a camera taken at random would score. A caption whose video can't be read is no
bad caption, as with questions: it is left out and counted. Where that leaves none, the score is 0, as the challenge counts
what is not there, and says so: the answers have their accuracy all the same.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from roadtrain.data.sources.bdd import FOLDER
from roadtrain.data.sources.records import CAPTION_GROUPS, PHASES, is_caption
from roadtrain.evaluate import statistics
from roadtrain.evaluate.bounds import interval_without_spread
from roadtrain.evaluate.caption_metrics import CaptionScores, caption_points, caption_scores, mean_scores
from roadtrain.evaluate.captions import SUBJECTS, s2
from roadtrain.evaluate.predictions import Prediction, asked_questions, checked_rows

SUBJECT_OF = {group: key.removeprefix("caption_") for key, group in CAPTION_GROUPS.items()}
LABELS = {name: label for label, name in PHASES.items()}  # as WTS's captions number them
SETS = ("internal", "external")
MOST = 100.0  # points
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CaptionPrediction:
    """One text of a phase, about one camera's video."""

    id: str
    video: str
    scenario: str  # the unit of resampling, as of questions
    label: str  # of the phase
    subject: str  # one of SUBJECTS
    response: str | None  # None: it could not be asked
    reference: str

    @property
    def part(self) -> str:
        """internal: WTS's, or external: BDD_PC_5K's."""
        return SETS[self.video.startswith(f"{FOLDER}/")]


class CaptionSetAccuracy(TypedDict):
    """Of the internal or the external set."""

    scenarios: int
    phases: int
    captions: int
    pedestrian: NotRequired[CaptionScores]  # means over the phases that have one
    vehicle: NotRequired[CaptionScores]
    mean: CaptionScores  # of both
    score: float  # 0 to 100
    ci95: list[float]


class CaptionAccuracy(TypedDict):
    """The accuracy JSON's `captions`."""

    score: float  # 0 to 100: the mean of the sets'
    ci95: list[float]  # [low, high], bootstrap over scenarios
    s2: float  # 0 to 100: the mean of the score and the percentage of right answers
    s2_ci95: list[float]  # captions and answers of a scenario drawn together
    not_asked: (
        int  # captions whose videos can't be read: in no other number here, but where that is all: then they count 0
    )
    sets: dict[str, CaptionSetAccuracy]


def read_captions(path: str | Path) -> list[CaptionPrediction]:
    """The captions among a checkpoint's predictions, sorted by id; [] where there are none. Raises ValueError naming the line."""
    rows = [row for row in checked_rows(path) if is_caption(row["options"], row.get("group"))]
    captions = []
    for row in rows:
        if "phase" not in row:
            raise ValueError(f"{path}: {row['id']}: a caption without its phase; evaluate the checkpoint again")
        captions.append(
            CaptionPrediction(
                id=row["id"],
                video=row["video"],
                scenario=row["scenario"],
                label=LABELS.get(row["phase"], row["phase"]),
                subject=SUBJECT_OF[row["group"]],
                response=row["response"],
                reference=row["correct"],
            )
        )
    return sorted(captions, key=lambda caption: caption.id)


@dataclass(frozen=True, slots=True)
class PhaseScore:
    """Of one phase and subject: means over the cameras."""

    scenario: str
    part: str
    label: str
    subject: str
    scores: CaptionScores


def phase_scores(captions: Sequence[CaptionPrediction]) -> list[PhaseScore]:
    """In a fixed order. What was not asked is left out. Raises UserError where WordNet is missing."""
    cameras: dict[tuple[str, str, str, str], list[CaptionScores]] = defaultdict(list)
    for caption in captions:
        if caption.response is not None:
            key = (caption.part, caption.scenario, caption.label, caption.subject)
            cameras[key].append(caption_scores(caption.response, caption.reference))
    return [
        PhaseScore(scenario, part, label, subject, mean_scores(scores))
        for (part, scenario, label, subject), scores in sorted(cameras.items())
    ]


def score_captions(
    captions: Sequence[CaptionPrediction], answers: Sequence[Prediction], samples: int, seed: int = statistics.SEED
) -> CaptionAccuracy:
    """With the challenge's S2 over the same checkpoint's `answers`. Where not one caption was asked all count as an empty one.
    Raises ValueError without captions, or when no question was asked."""
    phases = phase_scores(captions) or phase_scores([replace(caption, response="") for caption in captions])
    answers = asked_questions(answers)
    if not phases or not answers:
        raise ValueError("no caption, or not one question that was asked: there is no caption score")
    of_part = {part: here for part in SETS if (here := [phase for phase in phases if phase.part == part])}
    names = sorted({phase.scenario for phase in phases} | {answer.scenario for answer in answers})
    columns = [_column(names, here) for here in of_part.values()]
    right, total = _sums(names, [(answer.scenario, float(answer.is_correct)) for answer in answers])
    part_draws: list[list[Floats]] = []
    accuracy_draws: list[Floats] = []
    for draws in statistics.resamples(len(names), samples, seed):
        with np.errstate(invalid="ignore"):
            part_draws.append([_set_points(draws, column) for column in columns])
            accuracy_draws.append((draws @ right) / (draws @ total))
    by_part: Floats = np.concatenate([np.stack(parts) for parts in part_draws], axis=1)  # [sets, samples]
    all_draws = by_part.mean(axis=0)
    scores = [float(_set_points(np.ones((1, len(names))), column)[0]) for column in columns]
    score = sum(scores) / len(scores)
    whole = s2(score, float(right.sum() / total.sum()))
    return {
        "score": score,
        "ci95": _interval(all_draws, score, len({phase.scenario for phase in phases})),
        "s2": whole,
        "s2_ci95": _interval((all_draws + MOST * np.concatenate(accuracy_draws)) / 2, whole, len(names)),
        "not_asked": sum(caption.response is None for caption in captions),
        "sets": {
            part: _set_accuracy(here, [c for c in captions if c.part == part], part_score, draws)
            for (part, here), part_score, draws in zip(of_part.items(), scores, by_part, strict=True)
        },
    }


def unasked_captions(scores: CaptionAccuracy) -> str:
    """In words, that not one caption was asked, so that the score says nothing about the model; empty where some were."""
    if any(part["captions"] for part in scores["sets"].values()):
        return ""
    return f"not one of {scores['not_asked']} captions was asked: their videos can't be read, and all count 0"


def _set_accuracy(
    phases: Sequence[PhaseScore], captions: Sequence[CaptionPrediction], score: float, draws: Floats
) -> CaptionSetAccuracy:
    scenarios = len({phase.scenario for phase in phases})
    means = {
        subject: mean_scores(of_subject)
        for subject in SUBJECTS
        if (of_subject := [phase.scores for phase in phases if phase.subject == subject])
    }
    replies = [caption for caption in captions if caption.response is not None]
    result: CaptionSetAccuracy = {
        "scenarios": scenarios,
        "phases": len({(caption.scenario, caption.label) for caption in replies}),
        "captions": len(replies),
        "mean": mean_scores(list(means.values())),
        "score": score,
        "ci95": _interval(draws, score, scenarios),
    }
    if "pedestrian" in means:
        result["pedestrian"] = means["pedestrian"]
    if "vehicle" in means:
        result["vehicle"] = means["vehicle"]
    return result


Column = list[tuple[Floats, Floats]]  # a subject: (points, phases) of each scenario


def _column(names: Sequence[str], phases: Sequence[PhaseScore]) -> Column:
    of_subject = [[phase for phase in phases if phase.subject == subject] for subject in SUBJECTS]
    return [_sums(names, [(p.scenario, caption_points(p.scores)) for p in part]) for part in of_subject if part]


def _sums(names: Sequence[str], values: Sequence[tuple[str, float]]) -> tuple[Floats, Floats]:
    """(sum, number) of the values of each scenario."""
    place = {name: number for number, name in enumerate(names)}
    where = [place[name] for name, _ in values]
    sums = np.bincount(where, weights=[value for _, value in values], minlength=len(names))
    return sums.astype(float), np.bincount(where, minlength=len(names)).astype(float)


def _set_points(draws: Floats, column: Column) -> Floats:
    """[draws]: the set's score, the mean of its subjects' means over phases."""
    points: Floats = np.mean([(draws @ sums) / (draws @ counts) for sums, counts in column], axis=0)
    return points


def _interval(draws: Floats, score: float, scenarios: int) -> list[float]:
    """Percentiles; resamples that lack a set say nothing of it. Where none differ: bounds.interval_without_spread."""
    kept = draws[np.isfinite(draws)]
    if not len(kept) or kept.max() - kept.min() < 1e-9:
        low, high = interval_without_spread(min(score / MOST, 1.0), scenarios, 1 - statistics.LEVEL)
        return [MOST * low, MOST * high]
    return [float(q) for q in np.quantile(kept, [(1 - statistics.LEVEL) / 2, (1 + statistics.LEVEL) / 2])]
