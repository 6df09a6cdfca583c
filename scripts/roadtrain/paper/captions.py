"""What each figure shows, with its main numbers: its caption, and its alternative text in the report."""

from collections import Counter
from collections.abc import Callable
from statistics import fmean

from roadtrain.data.question_types import TYPES
from roadtrain.markup import quantity
from roadtrain.paper.baselines import baselines_text
from roadtrain.paper.contents import LEARNING_CURVE
from roadtrain.paper.learning_curve import learning_curve_text
from roadtrain.paper.loss_curve import LossCurve, LossOfSeeds
from roadtrain.paper.seeds import drawn_means
from roadtrain.results.reader import Results
from roadtrain.results.words import CONFIDENCE, percent, tokens_a_video

MOST_GROUPS = 30  # that a figure has room for


def caption(name: str, results: Results) -> str:
    """Raises KeyError for a name that is no figure's."""
    return _CAPTIONS[name](results)


def _accuracy(results: Results) -> str:
    if results.groups:
        return f"{drawn_means(results)} {baselines_text(results)}"
    gains = [
        f"{a.name} goes from {_short(a.zero_shot_accuracy['accuracy'])} to {_short(a.best_accuracy['accuracy'])}"
        for a in results.ablations
    ]
    return (
        f"Validation accuracy after each epoch with {CONFIDENCE} bands (bootstrap over scenarios): {'; '.join(gains)}."
        f" {baselines_text(results)}"
    )


def _loss(results: Results) -> str:
    falls = []
    for name, runs in results.runs.items():
        curves = [LossCurve.of(run.train_log, run.epochs) for run in runs]
        fall = curves[0].in_words() if len(runs) == 1 else LossOfSeeds.of(curves).in_words(len(runs))
        falls.append(f"{name} {fall}")
    faint = "range over seeds" if results.groups else "of each optimizer step"
    return (
        f"Loss on the answer tokens (faint: {faint}; strong: mean of the latest steps, a twentieth of an epoch) and learning"
        f" rate: {'; '.join(falls)}."
    )


def question_groups(results: Results) -> list[str]:
    """The groups of questions in the order of F3: WTS's kinds as they are listed there, others with most questions first."""
    counts: Counter[str] = Counter()
    for ablation in results.ablations:
        by_type = ablation.zero_shot_accuracy["by_type"]
        counts.update({kind: group["total_questions"] for kind, group in by_type.items()})
    order = TYPES if results.audit["source"] == "wts" else ()
    return [kind for kind in order if kind in counts] + sorted(
        counts.keys() - set(order), key=lambda k: (-counts[k], k)
    )


def _question_types(results: Results) -> str:
    hardest = []
    for name, runs in results.runs.items():
        by_types = [run.best_accuracy["by_type"] for run in runs]
        means = {kind: fmean(by_type[kind]["accuracy"] for by_type in by_types) for kind in by_types[0]}
        kind = min(means, key=lambda kind: (means[kind], kind))
        of = quantity(by_types[0][kind]["total_questions"], "question")
        hardest.append(f"{name}: {kind} with {_short(means[kind])} of {of}")
    names = " and ".join(results.runs)
    count = len(question_groups(results))
    cut = f" The {MOST_GROUPS} largest of {count} groups are shown." if count > MOST_GROUPS else ""
    seeds = " Means over seeds, and their range." if results.groups else ""
    return (
        f"Accuracy by question type, zero-shot and best epoch of {names}.{seeds} Hardest after training:"
        f" {'; '.join(hardest)}.{cut}"
    )


def _tokens(results: Results) -> str:
    points = [
        f"{name} has {tokens_a_video(runs[0].vision_tokens)} tokens a video and reaches"
        f" {_short(fmean(run.best_accuracy['accuracy'] for run in runs))}"
        for name, runs in results.runs.items()
    ]
    seeds = " Means over seeds, and the range of their accuracies." if results.groups else ""
    return (
        "Vision tokens a video (mean of all clips), accuracy of the best epoch and training time (area):"
        f" {'; '.join(points)}.{seeds}"
    )


def _calibration(results: Results) -> str:
    errors = []
    for name, runs in results.runs.items():
        of_runs = [run.best_accuracy["calibration"] for run in runs if "calibration" in run.best_accuracy]
        if not of_runs:
            continue
        left_out = sum(calibration["left_out"] for calibration in of_runs)
        mean = f" (mean of {quantity(len(of_runs), 'seed')})" if len(runs) > 1 else ""
        errors.append(
            f"{name} has an expected calibration error of {fmean(c['ece'] for c in of_runs):.3f}{mean} over"
            f" {quantity(sum(c['questions'] for c in of_runs), 'answer')}"
            + (f" ({left_out:,} left out)" if left_out else "")
        )
    seeds = " Of several seeds all answers together; the band is the range of the seeds." if results.groups else ""
    return (
        "Probability that the model gives its answer against how often it is right."
        f" {'; '.join(errors) or 'No probabilities were recorded'}.{seeds}"
    )


def _learning_curve(results: Results) -> str:
    return (
        "Accuracy of the best epoch against the questions that it was trained on: each run (dots), their mean, and their"
        f" range. {learning_curve_text(results)}"
    )


def _short(share: float) -> str:
    return percent(share, decimals=1)


_CAPTIONS: dict[str, Callable[[Results], str]] = {
    "f1_accuracy": _accuracy,
    "f2_loss": _loss,
    "f3_question_types": _question_types,
    "f4_tokens": _tokens,
    "f5_calibration": _calibration,
    LEARNING_CURVE: _learning_curve,
}
