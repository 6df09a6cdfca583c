"""The failures of each ablation as the report's template shows them: rows of text, and links into the explorer.

A link is the explorer's own address, so that what is counted in a table is listed by a click on the number; the names of
its parts are those of `DEFAULTS` in templates/report/view.js.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from roadtrain.evaluate.predictions import Prediction, asked_questions
from roadtrain.markup import quantity, visible
from roadtrain.paper.failures import (
    NO_ANSWER,
    SURE,
    MistakeCount,
    answer_text,
    changes,
    confidence,
    is_sure_mistake,
    letter_counts,
    mistakes_by,
    right_text,
    surest_mistakes,
)
from roadtrain.paper.reliability import Bin, reliability
from roadtrain.results.reader import AblationResults
from roadtrain.results.words import describe_checkpoint, percent, percent_range

SUREST = 8  # mistakes that the page opens on
MOST_QUESTIONS = 40  # wordings in the table, those with most mistakes
MOST_PAIRS = 3  # confusions beside a wording
MOST_ANSWERS = 8  # rows and columns of a matrix
MOST_SCENARIOS = 15
MOST_CHANGES = 15

Answers = Sequence[Prediction]


def failures_of(ablation: AblationResults) -> dict[str, Any]:
    """Everything that the page says about the mistakes of the ablation's best epoch, and of what came before and after."""
    best = ablation.best_accuracy
    answers = asked_questions(ablation.predictions(ablation.best["checkpoint"]))
    wrong = [p for p in answers if not p.is_correct]
    bins = reliability(answers, best["interval"]["samples"])
    scenarios = mistakes_by(answers, lambda p: p.scenario)
    link = _links(ablation.name)
    return {
        "name": ablation.name,
        "checkpoint": ablation.best["checkpoint"],
        "total": len(answers),
        "wrong": len(wrong),
        "wrong_link": link(show="wrong"),
        "sure": sum(is_sure_mistake(p) for p in wrong),
        "sure_link": link(show="wrong", sure=f"{SURE:g}"),
        "unanswered": sum(p.answer is None for p in wrong),
        "probabilities": bool(bins),
        "surest": [_card(p) for p in surest_mistakes(answers)[:SUREST]],
        "questions": _questions(mistakes_by(answers, lambda p: p.question), best["by_question"], link),
        "letters": _letters(answers, link),
        "scenarios": [_count(group, link(show="wrong", scenario=group.name)) for group in scenarios[:MOST_SCENARIOS]],
        "scenarios_in_words": scenarios_in_words(scenarios),
        "cameras": [
            _count(group, link(show="wrong", camera=group.name), best["by_camera"])
            for group in mistakes_by(answers, lambda p: p.camera)
        ],
        "changes": _changes(ablation, answers, link),
        "bins": [_bin(part) for part in bins],
        "ece": best["calibration"]["ece"] if "calibration" in best else None,
    }


def _links(ablation: str) -> Callable[..., str]:
    """What writes the explorer's address for questions of this ablation: the text as the page has it."""

    def link(**parts: str) -> str:
        names = {key: visible(value) for key, value in {"ablation": ablation, **parts}.items()}
        return "#" + urlencode(names, quote_via=quote)

    return link


def _card(p: Prediction) -> dict[str, str]:
    """A mistake, as the gallery shows it."""
    shares = p.probabilities or {}
    return {
        "id": p.id,
        "link": f"#q={quote(visible(p.id), safe='')}",
        "question": p.question,
        "video": p.video,
        "answer": answer_text(p) or "no answer",
        "answer_share": _share(confidence(p)),
        "right": right_text(p),
        "right_share": _share(shares.get(p.correct)),
    }


def _share(share: float | None) -> str:
    return "" if share is None else percent(share, 1)


def _count(group: MistakeCount, link: str, intervals: Any = None) -> dict[str, Any]:
    """A row of questions that have something in common. `intervals`: that part of the accuracy JSON."""
    part = intervals.get(group.name) if intervals else None
    return {
        "name": group.name,
        "total": group.total,
        "wrong": group.wrong,
        "sure": group.sure,
        "accuracy": group.accuracy,
        "ci95": percent_range(part["ci95"]) if part else "",
        "link": link,
    }


def _questions(questions: Sequence[MistakeCount], intervals: Any, link: Callable[..., str]) -> dict[str, Any]:
    """Confusion by wording: which answer was given for which."""
    wrong = [group for group in questions if group.wrong]
    rows = []
    for group in wrong[:MOST_QUESTIONS]:
        row = _count(group, link(show="wrong", question=group.name), intervals)
        row["pairs"] = [
            {
                "right": right,
                "answer": answer or "no answer",
                "count": count,
                "link": link(show="wrong", question=group.name, right=right, **_given(answer)),
            }
            for (right, answer), count in group.mistakes()[:MOST_PAIRS]
        ]
        row["more"] = len(group.mistakes()) - len(row["pairs"])
        row["matrix"] = _matrix(group)
        rows.append(row)
    return {"rows": rows, "left_out": len(wrong) - len(rows), "without": len(questions) - len(wrong)}


def _given(answer: str) -> dict[str, str]:
    """The part of a link that says what was given: `none` is no letter, but may be an option's text."""
    return {"given": answer} if answer != NO_ANSWER else {"letter": "none"}


def _matrix(group: MistakeCount) -> dict[str, Any] | None:
    """Right answers down, given ones across; None where more than MOST_ANSWERS are told apart."""
    texts = group.answers()
    if len(texts) > MOST_ANSWERS:
        return None
    columns = [*texts, NO_ANSWER] if group.unanswered else texts
    rows = [
        (right, [(group.confusions[right, answer], right == answer) for answer in columns])
        for right in texts
        if any(group.confusions[right, answer] for answer in columns)
    ]
    return {"heads": [text or "no answer" for text in columns], "rows": rows}


def _letters(answers: Answers, link: Callable[..., str]) -> dict[str, Any]:
    """Right letters down, given ones across, and how often each is right and given."""
    counts = letter_counts(answers)
    letters = sorted({letter for pair in counts for letter in pair} - {NO_ANSWER})
    columns = [*letters, NO_ANSWER] if any(answer == NO_ANSWER for _, answer in counts) else letters
    rows = []
    for right in letters:
        cells = [
            {
                "count": counts[right, answer],
                "right": right == answer,
                "link": link(show="wrong", right_letter=right, letter=answer or "none"),
            }
            for answer in columns
        ]
        rows.append({"letter": right, "cells": cells, "total": sum(counts[right, answer] for answer in columns)})
    totals = [sum(counts[right, answer] for right in letters) for answer in columns]
    return {"heads": [letter or "none" for letter in columns], "rows": rows, "totals": totals, "total": sum(totals)}


def scenarios_in_words(scenarios: Sequence[MistakeCount]) -> str:
    """How mistakes are spread: in a few scenarios, or everywhere."""
    wrong = [group.wrong for group in scenarios if group.wrong]
    half, few = sum(wrong) / 2, 0
    while sum(wrong[:few]) < half:
        few += 1
    return (
        f"{quantity(sum(wrong), 'mistake')} {'is' if sum(wrong) == 1 else 'are'} in {len(wrong):,} of"
        f" {quantity(len(scenarios), 'scenario')}; half of them in {few:,}."
        if wrong
        else f"No mistake in {quantity(len(scenarios), 'scenario')}."
    )


def _changes(ablation: AblationResults, best: Answers, link: Callable[..., str]) -> list[dict[str, Any]]:
    """What training changed (zero-shot to the best epoch), and what each precision changed of that."""
    name = describe_checkpoint(ablation.best["checkpoint"])
    parts = [
        _change(
            "What training fixed and broke",
            f"From zero-shot to {name}",
            (ablation.predictions("zero_shot"), best),
            {"fixed": {"show": "learned"}, "broken": {"show": "lost"}, "other": {"show": "still"}},
            link,
        )
    ]
    for precision in ablation.results.precisions:
        words = describe_checkpoint(precision)
        kinds = {"fixed": "quantized-right", "broken": "quantized-wrong", "other": "quantized-still"}
        links = {kind: {"show": show, "precision": precision} for kind, show in kinds.items()}
        after = ablation.predictions(precision)
        parts.append(_change(f"What {words} changed", f"From {name} to {words}", (best, after), links, link))
    return parts


def _change(
    title: str, way: str, pair: tuple[Answers, Answers], links: dict[str, dict[str, str]], link: Callable[..., str]
) -> dict[str, Any]:
    rows = changes(*pair, lambda p: p.question)
    totals = {kind: sum(getattr(row, kind) for row in rows) for kind in links}
    return {
        "title": title,
        "way": way,
        "totals": [(kind, count, link(**links[kind])) for kind, count in totals.items()],
        "rows": [
            (row.name, [(getattr(row, kind), link(question=row.name, **links[kind])) for kind in links])
            for row in rows[:MOST_CHANGES]
        ],
        "left_out": max(0, len(rows) - MOST_CHANGES),
    }


def _bin(part: Bin) -> list[str]:
    return [
        f"{part.low:.0%} to {part.high:.0%}",
        f"{part.questions:,}",
        f"{part.right:,}",
        percent(part.confidence, 1),
        percent(part.accuracy, 1),
        percent_range(part.ci95),
    ]
