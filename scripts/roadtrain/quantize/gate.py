"""gate.json: is a quantized checkpoint non-inferior to the epoch it was made from?

Both answered the same questions. Two one-sided 95% bounds say what a precision lost at worst: a bootstrap over
scenarios, of what these show, and an exact one (evaluate/bounds.py), of what so few of them can't exclude.

    failed      the bootstrap's bound is a larger loss than `max_accuracy_drop`: what is there doesn't suffice
    passed      both bounds are within `max_accuracy_drop`, over `min_scenarios` or more
    undecided   nothing speaks against it, and there are too few scenarios to tell, or none whose responses can be read

Of a scenario in which not one response of either could be read nothing is known: it counts for the accuracies, where an
unread response is no right one, and neither for the bounds nor for `min_scenarios`. Without any other, it is undecided.

With `deploy.verify: served` the answers and captions judged are those that vLLM's server gave over HTTP (served_answers.py); the
answers of the offline engine are compared with them question by question.

Why a minimum beside the exact bound: with a large `max_accuracy_drop` a handful would do, but a bootstrap over a
handful of clusters is too sure of itself (Cameron, Gelbach & Miller, Review of Economics and Statistics 90:3, 2008,
count 5 to 30 as few).

`quantize.gate` has captions judged as well, or S2 instead (caption_gate.py).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from roadtrain.evaluate import statistics
from roadtrain.evaluate.best import read_best
from roadtrain.evaluate.bounds import scenarios_for
from roadtrain.evaluate.caption_predictions import read_captions
from roadtrain.evaluate.predictions import Prediction, read_predictions
from roadtrain.files import read_json
from roadtrain.quantize.caption_gate import CaptionVerdict, Outcome, judge_captions, worse
from roadtrain.quantize.served_answers import (
    Served,
    compare_served,
    read_served,
    read_served_captions,
    served_in_words,
)
from roadtrain.spec.quantize import Quantize

SAMPLES = 10_000  # resamples


class Verdict(TypedDict):
    """On one precision. Accuracies are shares; difference and bounds are those of the quantized minus the baseline."""

    outcome: Outcome
    passed: bool  # outcome is passed
    in_words: str
    baseline_accuracy: float
    accuracy: float
    difference: float
    lower_bound: float  # the worse of the two
    bootstrap_bound: float
    exact_bound: float
    scenarios_needed: int | None  # without a changed answer, to pass; None: max_accuracy_drop is 0, no number does
    questions: int  # that the bounds are of
    scenarios: int
    baseline_unread: int  # responses that name no option, or several, of all questions
    unread: int
    changed_to_wrong: int
    changed_to_right: int
    captions: NotRequired[CaptionVerdict]  # quantize.gate: parts, s2
    served: NotRequired[Served]  # deploy.verify: served: the verdict is on a server's answers


class GateMethod(TypedDict):
    """How each bound was computed, in words."""

    bootstrap_bound: str
    exact_bound: str
    level: float  # of each bound, one-sided
    samples: int
    seed: int


class Gate(TypedDict):
    """gate.json: the verdict on every precision."""

    baseline: str  # the epoch that was quantized
    gate: NotRequired[str]  # what may not be lost, where it isn't accuracy alone: parts, s2
    max_accuracy_drop: float
    max_caption_drop: NotRequired[float]  # points, with `gate`
    min_scenarios: int
    method: GateMethod
    precisions: dict[str, Verdict]


def read_gate(path: str | Path) -> Gate:
    """Raises ValueError when the file isn't JSON, FileNotFoundError when there is none."""
    gate: Gate = read_json(path)
    return gate


def judge_all(
    best_file: str,
    epochs: Sequence[str],
    quantized: Sequence[str],
    settings: Quantize,
    served: Sequence[tuple[str, str]] = (),
) -> Gate:
    """The verdict on every precision. `epochs` and `quantized`: predictions, named after their checkpoints. `served`:
    (predictions, source) of those that a server answered, too: the verdict is on these.

    Raises ValueError when the best epoch's predictions are missing, or two didn't answer the same questions.
    """
    best = read_best(best_file)["checkpoint"]
    epoch_files = {Path(path).stem: path for path in epochs}
    if best not in epoch_files:
        raise ValueError(
            f"{best_file}: the best checkpoint is {best}, but --baseline has only {', '.join(epoch_files)}"
        )
    baseline = read_predictions(epoch_files[best])
    by_server = {Path(predictions).stem: (predictions, source) for predictions, source in served}
    if others := sorted(by_server.keys() - {Path(path).stem for path in quantized}):
        raise ValueError(f"--served: {others[0]}: its offline answers are missing (--quantized)")
    verdicts = {}
    for path in quantized:
        verdicts[Path(path).stem] = _judge_one(
            baseline, epoch_files[best], path, by_server.get(Path(path).stem), settings
        )
    gate: Gate = {
        "baseline": best,
        "max_accuracy_drop": settings.max_accuracy_drop,
        "min_scenarios": settings.min_scenarios,
        "method": {
            "bootstrap_bound": "percentile bootstrap over scenarios, one-sided",
            "exact_bound": "betting on scenarios, one-sided (scripts/roadtrain/evaluate/bounds.py)",
            "level": statistics.LEVEL,
            "samples": SAMPLES,
            "seed": statistics.SEED,
        },
        "precisions": verdicts,
    }
    if settings.gate != "accuracy":
        gate["gate"], gate["max_caption_drop"] = settings.gate, settings.max_caption_drop
    return gate


def _judge_one(
    baseline: Sequence[Prediction],
    baseline_file: str,
    path: str,
    served: tuple[str, str] | None,
    settings: Quantize,
) -> Verdict:
    """The verdict on the precision whose predictions lie at `path`; with `served` on what a server said, captions as well."""
    offline = read_predictions(path)
    before, after = _asked_of_both(baseline, offline, baseline_file, path)
    by_server = None
    if served:
        pairs = _pairs_with_served(before, offline, served)
        after, by_server = [answer for _, answer in pairs], compare_served(pairs, served[1])
    verdict = judge(before, after, settings.max_accuracy_drop, settings.min_scenarios)
    if settings.gate != "accuracy":
        texts = read_served_captions(served[0], read_captions(path)) if served else read_captions(path)
        captions = judge_captions((read_captions(baseline_file), before), (texts, after), settings, SAMPLES, path)
        verdict = _with_captions(verdict, captions)
    if by_server:
        verdict = {**verdict, "in_words": f"{served_in_words(by_server)}; {verdict['in_words']}", "served": by_server}
    return verdict


def _with_captions(verdict: Verdict, captions: CaptionVerdict) -> Verdict:
    """The verdict on accuracy with that on captions: the worse of both, or that on S2 alone."""
    outcome = captions["outcome"] if captions["score"] == "s2" else worse(verdict["outcome"], captions["outcome"])
    in_words = captions["in_words"] if captions["score"] == "s2" else f"{verdict['in_words']}; {captions['in_words']}"
    return {**verdict, "outcome": outcome, "passed": outcome == "passed", "in_words": in_words, "captions": captions}


def judge(
    baseline: Sequence[Prediction], quantized: Sequence[Prediction], max_accuracy_drop: float, min_scenarios: int
) -> Verdict:
    """Both in the same order of questions."""
    before, after = ([p.is_correct for p in predictions] for predictions in (baseline, quantized))
    unread, now_unread = (sum(p.answer is None for p in predictions) for predictions in (baseline, quantized))
    baseline_accuracy, accuracy = sum(before) / len(before), sum(after) / len(after)
    difference = (sum(after) - sum(before)) / len(before)
    legible = {p.scenario for predictions in (baseline, quantized) for p in predictions if p.answer is not None}
    at = [n for n, p in enumerate(baseline) if p.scenario in legible]
    test = (
        statistics.non_inferiority(
            [before[n] for n in at],
            [after[n] for n in at],
            [baseline[n].scenario for n in at],
            max_accuracy_drop,
            SAMPLES,
        )
        if at
        else statistics.nothing_known(max_accuracy_drop)
    )
    needed = scenarios_for(max_accuracy_drop, 1 - test.level)
    needed = None if needed is None else max(min_scenarios, needed)
    outcome = _outcome(test, min_scenarios)
    of_all = len({p.scenario for p in baseline})
    counted = (
        f"{test.scenarios}{'' if of_all == test.scenarios else f' of {of_all}'} scenario{'s' if of_all != 1 else ''}"
    )
    unknown = f", {unread} and {now_unread} responses unread" if unread or now_unread else ""
    words = (
        f"accuracy {accuracy:.4f} against {baseline_accuracy:.4f} ({difference:+.4f}, at worst"
        f" {test.lower_bound:+.4f} with {test.level:.0%} confidence over {counted}{unknown};"
        f" {max_accuracy_drop:.4f} may be lost): {_in_words(outcome, needed, test.scenarios)}"
    )
    return {
        "outcome": outcome,
        "passed": outcome == "passed",
        "in_words": words,
        "baseline_accuracy": baseline_accuracy,
        "accuracy": accuracy,
        "difference": difference,
        "lower_bound": test.lower_bound,
        "bootstrap_bound": test.bootstrap_bound,
        "exact_bound": test.exact_bound,
        "scenarios_needed": needed,
        "questions": test.questions,
        "scenarios": test.scenarios,
        "baseline_unread": unread,
        "unread": now_unread,
        "changed_to_wrong": sum(b and not a for b, a in zip(before, after, strict=True)),
        "changed_to_right": sum(a and not b for b, a in zip(before, after, strict=True)),
    }


def _pairs_with_served(
    baseline: Sequence[Prediction], offline: Sequence[Prediction], files: tuple[str, str]
) -> list[tuple[Prediction, Prediction]]:
    """(the offline answer, the server's) to each question of the baseline, which was asked. `files`: the server's predictions and
    their source. Raises ValueError for other questions."""
    predictions, source = files
    both = {p.id: (p, answer) for p, answer in zip(offline, read_served(predictions, source, offline), strict=True)}
    pairs = [both[p.id] for p in baseline]
    for before, (_, answer) in zip(baseline, pairs, strict=True):
        if _identity(answer) != _identity(before):
            raise ValueError(f"{predictions}: not the questions of the baseline (first difference: {answer.id})")
    return pairs


def _outcome(test: statistics.NonInferiority, min_scenarios: int) -> Outcome:
    if not test.within_margin(test.bootstrap_bound):
        return "failed"
    enough = test.scenarios >= min_scenarios and test.within_margin(test.exact_bound)
    return "passed" if enough else "undecided"


def _in_words(outcome: Outcome, needed: int | None, scenarios: int) -> str:
    if not scenarios:
        return "not one response of either could be read, UNDECIDED (look at the responses in the predictions)"
    if outcome == "undecided":
        enough = f"unchanged answers of {needed} would do" if needed else "no number can exclude any loss at all"
        return f"too few scenarios to tell, UNDECIDED ({enough})"
    return "passed" if outcome == "passed" else "FAILED"


def _asked_of_both(
    baseline: Sequence[Prediction], quantized: Sequence[Prediction], baseline_file: str, quantized_file: str
) -> tuple[list[Prediction], list[Prediction]]:
    """Both without the questions that were asked of neither, whose videos can't be read: they show nothing. Raises
    ValueError for other questions, another right answer, and a question that was asked of one alone."""
    before, after = ({p.id: p for p in predictions} for predictions in (baseline, quantized))
    for id in sorted(before.keys() | after.keys()):
        if id not in before or id not in after or _identity(before[id]) != _identity(after[id]):
            raise ValueError(
                f"{quantized_file}: not the questions of {baseline_file} (first difference: {id}): evaluate both again"
            )
    ids = [id for id, prediction in before.items() if prediction.response is not None]
    if not ids:
        raise ValueError(f"{baseline_file}: not one question was asked: there is nothing to judge by")
    return [before[id] for id in ids], [after[id] for id in ids]


def _identity(prediction: Prediction) -> tuple[object, ...]:
    """What two predictions of one question have in common."""
    unanswered = prediction.response is None
    return prediction.scenario, prediction.question, prediction.options, prediction.correct, unanswered
