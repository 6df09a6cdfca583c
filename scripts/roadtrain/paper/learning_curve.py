"""F6, the learning curve: accuracy against the number of training questions, of runs that differ in `train.share`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from roadtrain.markup import quantity
from roadtrain.paths import MAJORITY
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import percent, percent_range, points
from roadtrain.spec.curves import learning_curves


@dataclass(frozen=True)
class SharePoint:
    """The runs on one share of the training scenarios: one, or one a seed."""

    share: float
    runs: Sequence[AblationResults]

    @property
    def questions(self) -> float:
        """That an epoch is trained on; a mean where each seed draws its own scenarios."""
        return fmean(run.training_questions for run in self.runs)

    @property
    def epochs(self) -> int:
        return self.runs[0].epochs

    @property
    def accuracies(self) -> list[float]:
        """Of each run's best epoch."""
        return [run.best_accuracy["accuracy"] for run in self.runs]

    def baseline(self, checkpoint: str) -> float:
        """The mean of the runs' zero_shot or majority."""
        return fmean(run.accuracy(checkpoint)["accuracy"] for run in self.runs)


@dataclass(frozen=True)
class LearningCurve:
    """Runs that are alike but for the share, shares rising."""

    name: str
    points: Sequence[SharePoint]


def curves_of(results: Results) -> list[LearningCurve]:
    """The run's learning curves; none where all ablations are trained on as much, or no two are alike otherwise."""
    by_name = {ablation.name: ablation for ablation in results.ablations}
    curves = []
    for shares in learning_curves(results.resolved["ablations"]):
        curve = [SharePoint(share, [by_name[name] for name in names]) for share, names in shares.items()]
        curves.append(LearningCurve(_name(curve), curve))
    return curves


def _name(curve: Sequence[SharePoint]) -> str:
    """What its ablations' names begin with; where they share no beginning, the name of the largest."""
    names = [run.settings.get("repeat_of", run.name) for point in curve for run in point.runs]
    return os.path.commonprefix(names).strip("-_.") or names[-1]


def learning_curve_text(results: Results) -> str:
    """Each curve's points, and what the last step up gave: whether more data would help is read there. Empty without one."""
    return " ".join(_in_words(curve) for curve in curves_of(results))


def _in_words(curve: LearningCurve) -> str:
    parts = []
    for point in curve.points:
        values = point.accuracies
        spread = f" ({percent_range([min(values), max(values)])})" if len(values) > 1 else ""
        parts.append(f"{point.questions:,.0f} questions {percent(fmean(values))}{spread}")
    before, last = curve.points[-2:]
    gain = fmean(last.accuracies) - fmean(before.accuracies)
    runs = quantity(len(last.runs), "seed")
    seeds = ""
    if len(last.runs) > 1 and len(before.runs) > 1:
        apart = min(last.accuracies) > max(before.accuracies) or max(last.accuracies) < min(before.accuracies)
        seeds = f"; over {runs} the two {'lie apart' if apart else 'overlap'}"
    epochs = {point.epochs for point in curve.points}
    length = (
        f"each for {quantity(min(epochs), 'epoch')}, so that fewer questions are fewer steps, too"
        if len(epochs) == 1
        else "for " + ", ".join(str(point.epochs) for point in curve.points) + " epochs"
    )
    step = f"changes accuracy by {points(gain, signed=True)} points{seeds}"
    if before.questions == last.questions:
        step = "takes no scenario more: both are trained on the same questions"
    return (
        f"{curve.name} on a part of the training scenarios, {length}: {'; '.join(parts)}. The last step, from"
        f" {before.share:g} to {last.share:g} of the scenarios, {step}."
        f" Zero-shot it is {percent(last.baseline('zero_shot'))}; the majority of as many answers scores"
        f" {percent(curve.points[0].baseline(MAJORITY))} to {percent(last.baseline(MAJORITY))}."
    )
