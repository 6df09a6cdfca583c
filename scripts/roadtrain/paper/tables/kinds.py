"""T8: answers of each kind by their own measure: letters, yes and no, spans of time, texts; and the form of reasoning."""

from collections.abc import Iterator

from roadtrain.evaluate.accuracy import Accuracy
from roadtrain.evaluate.graded import KindAccuracy, TextGroupScore
from roadtrain.paper.table import Cell, Column, Number, Table, in_percent
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import CONFIDENCE

COLUMNS = (
    Column("ablation", "ablation"),
    Column("checkpoint", "checkpoint"),
    Column("kind", "kind"),
    Column("group", "group"),
    Column("questions", "questions"),
    Column("measure", "measure"),
    Column("value", "value"),
    Column("ci_low", f"{CONFIDENCE} from"),
    Column("ci_high", "to"),
    Column("unread", "unread"),
    Column("well_formed", "reasoning as asked for (%)"),
)
NOTES = (
    "Accuracy and IoU in percent; texts: the mean of 100 BLEU-4, 100 METEOR, 100 ROUGE-L and 10 CIDEr, no BERTScore. Unread answers"
    " count 0; why they are unread is counted in the accuracy JSON. Intervals: bootstrap over scenarios."
)
EVERY = "all"
ACCURACY, IOU, METRICS = "accuracy", "mean IoU", "caption metrics"
DIGITS = 2


def has_kinds(results: Results) -> bool:
    """Whether answers are of other kinds than letters and words."""
    return any("kinds" in accuracy for ablation in results.ablations for accuracy in accuracies_of(ablation).values())


def kinds_table(results: Results) -> Table:
    """T8: answers of each kind by their own measure."""
    records: list[dict[str, Cell]] = [
        {"ablation": ablation.name, "checkpoint": name, "well_formed": _well_formed(accuracy), **row}
        for ablation in results.ablations
        for name, accuracy in accuracies_of(ablation).items()
        for row in _rows(accuracy)
    ]
    caption = (
        "Answers by their kind, before and after training."
        if has_kinds(results)
        else "Every answer is a letter or a word."
    )
    return Table.from_records("t8_kinds", caption, COLUMNS, records, NOTES)


def accuracies_of(ablation: AblationResults) -> dict[str, Accuracy]:
    """{checkpoint: its accuracy} of the baselines, zero-shot, the best epoch and what was made from it."""
    names = (*ablation.results.baselines, "zero_shot", ablation.best["checkpoint"], *ablation.results.precisions)
    return {name: ablation.accuracy(name) for name in names}


def _rows(accuracy: Accuracy) -> Iterator[dict[str, Cell]]:
    kinds = accuracy.get("kinds")
    if kinds is None:
        whole: KindAccuracy = {
            "total_questions": accuracy["total_questions"],
            "total_correct": accuracy["total_correct"],
            "accuracy": accuracy["accuracy"],
            "unanswered": accuracy["unanswered"],
            "ci95": accuracy["ci95"],
        }
        yield _accuracy_row(EVERY, whole)
        return
    for kind, part in (("choice", kinds.get("choice")), ("binary", kinds.get("binary")), ("open", kinds.get("open"))):
        if part is not None:
            yield _accuracy_row(kind, part)
    if (interval := kinds.get("interval")) is not None:
        value, (low, high) = interval["mean_iou"], interval["ci95"]
        yield {
            "kind": "interval",
            "group": EVERY,
            "questions": Number(interval["questions"]),
            "measure": IOU,
            "value": in_percent(value),
            "ci_low": in_percent(low),
            "ci_high": in_percent(high),
            "unread": Number(sum(interval["unread"].values())),
        }
    if (text := kinds.get("text")) is not None:
        yield _text_row(EVERY, text) | {"unread": Number(sum(text["unread"].values()))}
        yield from (_text_row(group, part) for group, part in text["by_group"].items())


def _accuracy_row(kind: str, part: KindAccuracy) -> dict[str, Cell]:
    low, high = part["ci95"]
    return {
        "kind": kind,
        "group": EVERY,
        "questions": Number(part["total_questions"]),
        "measure": ACCURACY,
        "value": in_percent(part["accuracy"]),
        "ci_low": in_percent(low),
        "ci_high": in_percent(high),
        "unread": Number(part["unanswered"]),
    }


def _text_row(group: str, part: TextGroupScore) -> dict[str, Cell]:
    low, high = part["ci95"]
    return {
        "kind": "text",
        "group": group,
        "questions": Number(part["questions"]),
        "measure": METRICS,
        "value": Number(part["score"], DIGITS),
        "ci_low": Number(low, DIGITS),
        "ci_high": Number(high, DIGITS),
    }


def _well_formed(accuracy: Accuracy) -> Cell:
    use = accuracy.get("reasoning")
    return None if use is None else in_percent(use["well_formed"] / use["responses"])
