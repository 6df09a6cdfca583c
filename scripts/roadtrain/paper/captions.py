"""What each figure shows, with its main numbers: its caption, and its alternative text in the report."""

from collections import Counter
from collections.abc import Callable

from roadtrain.data.question_types import TYPES
from roadtrain.markup import quantity
from roadtrain.paper.baselines import baselines_text
from roadtrain.paper.loss_curve import LossCurve
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
    falls = [f"{a.name} {LossCurve.of(a.train_log, a.epochs).in_words()}" for a in results.ablations]
    return (
        "Loss on the answer tokens (faint: of each optimizer step; strong: mean of the latest steps, a twentieth of an"
        f" epoch) and learning rate: {'; '.join(falls)}."
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
    for ablation in results.ablations:
        by_type = ablation.best_accuracy["by_type"]
        kind = min(by_type, key=lambda kind: (by_type[kind]["accuracy"], kind))
        of = quantity(by_type[kind]["total_questions"], "question")
        hardest.append(f"{ablation.name}: {kind} with {_short(by_type[kind]['accuracy'])} of {of}")
    names = " and ".join(ablation.name for ablation in results.ablations)
    count = len(question_groups(results))
    cut = f" The {MOST_GROUPS} largest of {count} groups are shown." if count > MOST_GROUPS else ""
    return f"Accuracy by question type, zero-shot and best epoch of {names}. Hardest after training: {'; '.join(hardest)}.{cut}"


def _tokens(results: Results) -> str:
    points = [
        f"{a.name} has {tokens_a_video(a.vision_tokens)} tokens a video and reaches"
        f" {_short(a.best_accuracy['accuracy'])}"
        for a in results.ablations
    ]
    return f"Vision tokens a video (mean of all clips), accuracy of the best epoch and training time (area): {'; '.join(points)}."


def _calibration(results: Results) -> str:
    best = {ablation.name: ablation.best_accuracy for ablation in results.ablations}
    errors = [
        f"{name} has an expected calibration error of {accuracy['calibration']['ece']:.3f} over"
        f" {quantity(accuracy['calibration']['questions'], 'answer')}"
        + (f" ({accuracy['calibration']['left_out']:,} left out)" if accuracy["calibration"]["left_out"] else "")
        for name, accuracy in best.items()
        if "calibration" in accuracy
    ]
    return (
        "Probability that the model gives its answer against how often it is right."
        f" {'; '.join(errors) or 'No probabilities were recorded'}."
    )


def _short(share: float) -> str:
    return percent(share, decimals=1)


_CAPTIONS: dict[str, Callable[[Results], str]] = {
    "f1_accuracy": _accuracy,
    "f2_loss": _loss,
    "f3_question_types": _question_types,
    "f4_tokens": _tokens,
    "f5_calibration": _calibration,
}
