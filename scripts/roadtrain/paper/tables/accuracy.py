"""T3: accuracy of every checkpoint with its interval, published values beside it."""

from roadtrain.evaluate.predictions import NOT_ASKED
from roadtrain.markup import quantity
from roadtrain.paper import seeds
from roadtrain.paper.baselines import NOTE
from roadtrain.paper.table import Cell, Column, Number, Table, in_percent, number_or_none
from roadtrain.paths import MAJORITY, TEXT_ONLY
from roadtrain.results.published import RECIPE
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import CONFIDENCE, describe_checkpoint, interval_in_percent, percent

COLUMNS = (
    Column("ablation", "ablation"),
    Column("checkpoint", "checkpoint"),
    Column("epoch", "epoch"),
    Column("questions", "questions"),
    Column("accuracy", "accuracy (%)"),
    Column("ci_low", f"{CONFIDENCE} from"),
    Column("ci_high", "to"),
    Column("accuracy_first_capital", "recipe's parse (%)"),
    Column("unanswered", "unanswered"),
    Column("chosen", "chosen"),
)
PUBLISHED = Column("published", "published (%)")  # where the data are the recipe's
NOTES = (
    f"Intervals: bootstrap over scenarios. {NOTE} The best epoch is chosen on these same questions, so its accuracy is"
    " slightly flattered."
)


def accuracy_table(results: Results) -> Table:
    """T3: accuracy of every checkpoint with its interval, published values beside it."""
    records: list[dict[str, Cell]] = []
    for ablation in results.ablations:
        records += [_record(ablation, checkpoint) for checkpoint in (*results.baselines, *ablation.checkpoints)]
        records += seeds.mean_records(results, ablation)
    for setting in results.published_only:
        for checkpoint, value in setting["accuracy"].items():
            epoch = Number(int(checkpoint.removeprefix("epoch_")))
            name = f"{RECIPE} {setting['name']}"
            records.append({"ablation": name, "checkpoint": checkpoint, "epoch": epoch, "published": value})
    columns = (*COLUMNS, *(seeds.COLUMNS if results.repeats else ()), *((PUBLISHED,) if results.published else ()))
    notes = NOTES + (seeds.NOTES if results.repeats else "") + _not_asked(results) + _merged(results)
    return Table.from_records("t3_accuracy", accuracy_caption(results), columns, records, notes)


def accuracy_caption(results: Results) -> str:
    """What happened, ablation by ablation, in a sentence each; with `repeat`, by the means over the seeds."""
    if results.repeats:
        means = " ".join(seeds.mean_sentence(results, written) for written in results.groups)
        return f"Validation accuracy. {means}"
    sentences = []
    for ablation in results.ablations:
        zero_shot, best = ablation.zero_shot_accuracy, ablation.best_accuracy
        sentences.append(
            f"{ablation.name}: from {percent(zero_shot['accuracy'])} zero-shot to {percent(best['accuracy'])}"
            f" ({interval_in_percent(best['ci95'])}) after {describe_checkpoint(ablation.best['checkpoint'])}"
        )
    return f"Validation accuracy. {'; '.join(sentences)}."


def _not_asked(results: Results) -> str:
    """A sentence about what counts as wrong without having been asked; empty where all was."""
    counts = {
        f"{ablation.name} {describe_checkpoint(name)}": ablation.accuracy(name)["read_by"].get(NOT_ASKED, 0)
        for ablation in results.ablations
        for name in (*results.baselines, *ablation.checkpoints)
    }
    most = max(counts.values())
    if not most:
        return ""
    if len(set(counts.values())) == 1:
        return f" {quantity(most, 'question')} could not be asked (no frames, or too long) and counted as wrong everywhere."
    each = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    return f" Questions that could not be asked (no frames, or too long) count as wrong: {each}."


def _merged(results: Results) -> str:
    """A sentence about the best epochs with the cameras of a question merged; empty where none was asked about several."""
    parts = [
        f"{ablation.name} {percent(merged['votes']['accuracy'])} ({interval_in_percent(merged['votes']['ci95'])})"
        for ablation in results.ablations
        if (merged := ablation.best_accuracy.get("merged_cameras"))
    ]
    return f" Best epochs with one vote a camera, each question once: {', '.join(parts)}." if parts else ""


def _record(ablation: AblationResults, checkpoint: str) -> dict[str, Cell]:
    accuracy = ablation.accuracy(checkpoint)
    low, high = accuracy["ci95"]
    published = {"published": ablation.published_accuracy.get(checkpoint)} if ablation.results.published else {}
    return {
        "ablation": ablation.name,
        "checkpoint": checkpoint,
        "epoch": number_or_none(_epoch(ablation, checkpoint)),
        "questions": Number(accuracy["total_questions"]),
        "accuracy": in_percent(accuracy["accuracy"]),
        "ci_low": in_percent(low),
        "ci_high": in_percent(high),
        "accuracy_first_capital": in_percent(accuracy["accuracy_first_capital"]),
        "unanswered": Number(accuracy["unanswered"]),
        "chosen": "best" if checkpoint == ablation.best["checkpoint"] else None,
        **published,
    }


def _epoch(ablation: AblationResults, checkpoint: str) -> int | None:
    """A quantized checkpoint has its parent's, without media it is the best, and a majority was trained for none."""
    if checkpoint == MAJORITY:
        return None
    if checkpoint in (*ablation.results.precisions, TEXT_ONLY):
        return ablation.best["epoch"]
    return ablation.unquantized.index(checkpoint)
