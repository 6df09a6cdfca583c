"""The summary's facts: when, by which code, on what, how long and at what cost. All that is measured stands here."""

from typing import Any

from roadtrain.paper.table import NOTHING
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.record import Cost, cost_of_1000, run_record, training_cost
from roadtrain.results.words import describe_checkpoint, duration

MISSING = "not recorded"


def facts(results: Results) -> list[tuple[str, str]]:
    """(name, value) in a line each."""
    record = run_record(results)
    training = [training_cost(ablation) for ablation in results.ablations]
    dates = list(dict.fromkeys(date for date in (record.first_date, record.last_date) if date))
    return [
        ("date", " to ".join(dates) or MISSING),
        ("commit", ", ".join(record.commits) or MISSING),
        ("hardware", ", ".join(record.hardware) or MISSING),
        ("training", _total([cost.seconds for cost in training], duration)),
        ("GPU-hours of training", _gpu_hours(results, training)),
        (
            "1,000 questions",
            "; ".join(words for ablation in results.ablations if (words := _best_in_words(ablation))) or MISSING,
        ),
    ]


def costs(results: Results) -> dict[str, Any]:
    """Heads, rows and caption of the table: training, then asking the best epoch and each precision of it."""
    heads = [("work", False), ("time", True), ("GPU-hours", True), ("price", True)]
    rows = []
    for ablation in results.ablations:
        rows.append([f"{ablation.name}: training, all epochs", *_cells(training_cost(ablation))])
        for checkpoint in (ablation.best["checkpoint"], *results.precisions):
            name = f"{ablation.name}: 1,000 questions to {describe_checkpoint(checkpoint)}"
            rows.append([name, *_cells(cost_of_1000(ablation, checkpoint))])
    caption = (
        "As the run's jobs noted it. Questions: the whole evaluation, loading the model included, shared out; longer"
        " runs come cheaper. A price is there where ROADTRAIN_GPU_HOUR was set when the job ran; a CPU has no GPU-hours."
    )
    return {"heads": heads, "rows": rows, "caption": caption}


def _best_in_words(ablation: AblationResults) -> str:
    """What 1,000 questions to the best epoch take; empty where nobody noted it."""
    cost = cost_of_1000(ablation, ablation.best["checkpoint"])
    time, hours, price = _cells(cost)
    if cost.seconds is None:
        return ""
    more = [text for text, value in ((f"{hours} GPU-hours", cost.gpu_hours), (price, cost.price)) if value is not None]
    return f"{ablation.name} {time}" + (f" ({', '.join(more)})" if more else "")


def _cells(cost: Cost) -> list[str]:
    time = NOTHING if cost.seconds is None else duration(cost.seconds)
    hours = NOTHING if cost.gpu_hours is None else _hours(cost.gpu_hours)
    return [time, hours, NOTHING if cost.price is None else f"{cost.price:,.2f}"]


def _hours(hours: float) -> str:
    return f"{hours:,.3f}" if hours < 10 else f"{hours:,.1f}"


def _gpu_hours(results: Results, training: list[Cost]) -> str:
    if not any(ablation.settings["train"]["gpus"] for ablation in results.ablations):
        return "none, on a CPU"
    hours = [
        cost.gpu_hours
        for ablation, cost in zip(results.ablations, training, strict=True)
        if ablation.settings["train"]["gpus"]
    ]
    return _total(hours, _hours)


def _total(values: list[float | None], words: Any) -> str:
    """The sum; that it is not recorded where a part isn't."""
    numbers = [value for value in values if value is not None]
    return str(words(sum(numbers))) if numbers and len(numbers) == len(values) else MISSING
