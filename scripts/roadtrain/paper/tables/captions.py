"""T7: the challenge's caption score and S2 of zero-shot, the best epoch and what was made from it."""

from collections.abc import Iterator

from roadtrain.evaluate.caption_metrics import CaptionScores, caption_points
from roadtrain.evaluate.caption_predictions import CaptionAccuracy, CaptionSetAccuracy, unasked_captions
from roadtrain.paper.table import Cell, Column, Number, Table
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import CONFIDENCE, describe_checkpoint

COLUMNS = (
    Column("ablation", "ablation"),
    Column("checkpoint", "checkpoint"),
    Column("set", "set"),
    Column("subject", "about"),
    Column("phases", "phases"),
    Column("bleu4", "BLEU-4"),
    Column("meteor", "METEOR"),
    Column("rouge_l", "ROUGE-L"),
    Column("cider", "CIDEr"),
    Column("score", "score"),
    Column("ci_low", f"{CONFIDENCE} from"),
    Column("ci_high", "to"),
    Column("s2", "S2"),
    Column("s2_low", f"{CONFIDENCE} from"),
    Column("s2_high", "to"),
)
NOTES = (
    "Score: the mean of 100 BLEU-4, 100 METEOR, 100 ROUGE-L and 10 CIDEr, each caption scored by itself as the AI City challenge's"
    " scorer does; a phase counts the mean over its cameras. internal: WTS, external: BDD_PC_5K; both weigh the same. S2: the mean of"
    " the score and the percentage of right answers. Intervals: bootstrap over scenarios."
)
NONE = "Captions. The validation split has none (data.captions)."
METRIC_DIGITS, POINT_DIGITS = 4, 2


def captions_table(results: Results) -> Table:
    """T7: the challenge's caption score and S2 of zero-shot, the best epoch and what was made from it."""
    records = [
        {"ablation": ablation.name, "checkpoint": name, **row}
        for ablation in results.ablations
        for name, captions in caption_scores_of(ablation).items()
        for row in _rows(captions)
    ]
    return Table.from_records("t7_captions", captions_caption(results), COLUMNS, records, NOTES if records else "")


def caption_scores_of(ablation: AblationResults) -> dict[str, CaptionAccuracy]:
    """{checkpoint: its captions' scores} of the baselines, zero-shot, the best epoch and its quantized ones; of those that wrote some."""
    results = ablation.results
    names = (*results.baselines, "zero_shot", ablation.best["checkpoint"], *results.precisions)
    accuracies = {name: ablation.accuracy(name) for name in names}
    return {name: accuracy["captions"] for name, accuracy in accuracies.items() if "captions" in accuracy}


def captions_caption(results: Results) -> str:
    """What happened, ablation by ablation."""
    courses = [f"{ablation.name}: {course}" for ablation in results.ablations if (course := caption_course(ablation))]
    return (
        f"Captions of the validation phases, in the challenge's points of 100. {'; '.join(courses)}."
        if courses
        else NONE
    )


def caption_course(ablation: AblationResults) -> str:
    """From which caption score and S2 to which training has brought it; empty where it writes no captions."""
    scores, best = caption_scores_of(ablation), ablation.best["checkpoint"]
    if "zero_shot" not in scores or best not in scores:
        return ""
    before, after = scores["zero_shot"], scores[best]
    low, high = after["ci95"]
    interval = unasked_captions(after) or f"{CONFIDENCE} interval {low:.2f} to {high:.2f}"
    return (
        f"from {before['score']:.2f} zero-shot to {after['score']:.2f} ({interval}) after"
        f" {describe_checkpoint(best)}, S2 from {before['s2']:.2f} to {after['s2']:.2f}"
    )


def _rows(captions: CaptionAccuracy) -> Iterator[dict[str, Cell]]:
    """Of each set the subjects and, of several sets, their mean; then all."""
    for name, part in captions["sets"].items():
        subjects: dict[str, CaptionScores] = {}
        if "pedestrian" in part:
            subjects["pedestrian"] = part["pedestrian"]
        if "vehicle" in part:
            subjects["vehicle"] = part["vehicle"]
        for subject, scores in subjects.items():
            points = Number(caption_points(scores), POINT_DIGITS)
            yield {"set": name, "subject": subject, **_metrics(scores), "score": points}
        if len(captions["sets"]) > 1:
            yield {"set": name, "subject": "both", **_set(part)}
    parts = list(captions["sets"].values())
    whole: dict[str, Cell] = _set(parts[0]) if len(parts) == 1 else {"phases": Number(sum(p["phases"] for p in parts))}
    yield {
        "set": "all",
        "subject": "both",
        **whole,
        "score": Number(captions["score"], POINT_DIGITS),
        **_interval("ci", captions["ci95"]),
        "s2": Number(captions["s2"], POINT_DIGITS),
        **_interval("s2", captions["s2_ci95"]),
    }


def _set(part: CaptionSetAccuracy) -> dict[str, Cell]:
    score = {"score": Number(part["score"], POINT_DIGITS), **_interval("ci", part["ci95"])}
    return {"phases": Number(part["phases"]), **_metrics(part["mean"]), **score}


def _metrics(scores: CaptionScores) -> dict[str, Cell]:
    return {
        "bleu4": Number(scores["bleu"], METRIC_DIGITS),
        "meteor": Number(scores["meteor"], METRIC_DIGITS),
        "rouge_l": Number(scores["rouge_l"], METRIC_DIGITS),
        "cider": Number(scores["cider"], METRIC_DIGITS),
    }


def _interval(name: str, bounds: list[float]) -> dict[str, Cell]:
    low, high = (Number(bound, POINT_DIGITS) for bound in bounds)
    return {f"{name}_low": low, f"{name}_high": high}
