"""What a checkpoint gets wrong, counted from its predictions: pure functions, no files and no words for people.

Counted are the questions that were asked, as in the accuracy JSON. What was given is the text of the option that the
answer names: letters are shuffled from question to question, texts are what one confuses.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from roadtrain.evaluate.predictions import Prediction, asked_questions

SURE = 0.9  # a mistake of this probability or more is a confident one
NO_ANSWER = ""  # what was given where no option could be read
Confusion = tuple[str, str]  # (right text, text that was given)


@dataclass
class MistakeCount:
    """Questions with something in common: a wording, a scenario, a camera."""

    name: str
    total: int = 0
    wrong: int = 0
    unanswered: int = 0  # among the wrong
    sure: int = 0  # wrong, and the model was sure
    confusions: Counter[Confusion] = field(default_factory=Counter)  # right answers, too: (text, text)

    @property
    def accuracy(self) -> float:
        return 1 - self.wrong / self.total

    def mistakes(self) -> list[tuple[Confusion, int]]:
        """Which answer was given for which, and how often; most frequent first."""
        pairs = [(pair, count) for pair, count in self.confusions.items() if pair[0] != pair[1]]
        return sorted(pairs, key=lambda item: (-item[1], item[0]))

    def answers(self) -> list[str]:
        """Texts that were right or were given, the most frequent right ones first, without NO_ANSWER."""
        right: Counter[str] = Counter()
        for (text, _), count in self.confusions.items():
            right[text] += count
        texts = {text for pair in self.confusions for text in pair} - {NO_ANSWER}
        return sorted(texts, key=lambda text: (-right[text], text))


@dataclass(frozen=True)
class Change:
    """What another checkpoint changed for the same questions."""

    name: str
    fixed: int  # wrong before, right after
    broken: int  # right before, wrong after
    other: int  # another answer, wrong before and after


def confidence(prediction: Prediction) -> float | None:
    """The probability of the answer that was given; None without an answer or without probabilities."""
    shares = prediction.probabilities
    return shares.get(prediction.answer) if shares and prediction.answer else None


def right_text(prediction: Prediction) -> str:
    """The right option in words; of a question without options the answer itself."""
    return prediction.options.get(prediction.correct, prediction.correct)


def answer_text(prediction: Prediction) -> str:
    """What was given in words; NO_ANSWER where no option could be read."""
    if prediction.answer is None:
        return NO_ANSWER
    text = prediction.options.get(prediction.answer, prediction.answer)
    alike = not prediction.is_correct and text == right_text(prediction)  # two options with one text
    return f"{text} ({prediction.answer})" if alike else text


def is_sure_mistake(prediction: Prediction) -> bool:
    """Whether it is wrong with a probability of SURE or more."""
    return not prediction.is_correct and (confidence(prediction) or 0) >= SURE


def surest_mistakes(predictions: Iterable[Prediction]) -> list[Prediction]:
    """Every wrong answer, the surest first; those without a probability last."""
    wrong = [p for p in asked_questions(predictions) if not p.is_correct]
    return sorted(wrong, key=lambda p: (-(confidence(p) or 0), p.id))


def mistakes_by(predictions: Iterable[Prediction], name_of: Callable[[Prediction], str]) -> list[MistakeCount]:
    """Questions counted by name_of, most mistakes first; of as many, the larger share, then the name."""
    by_name: dict[str, MistakeCount] = {}
    for p in asked_questions(predictions):
        group = by_name.setdefault(name_of(p), MistakeCount(name_of(p)))
        group.total += 1
        group.wrong += not p.is_correct
        group.unanswered += p.answer is None
        group.sure += is_sure_mistake(p)
        group.confusions[right_text(p), answer_text(p)] += 1
    return sorted(by_name.values(), key=lambda group: (-group.wrong, group.accuracy, group.name))


def letter_counts(predictions: Iterable[Prediction]) -> Counter[tuple[str, str]]:
    """How often (right letter, letter that was given); NO_ANSWER where none was. Only of questions with options."""
    return Counter((p.correct, p.answer or NO_ANSWER) for p in asked_questions(predictions) if p.options)


def changes(
    before: Sequence[Prediction], after: Sequence[Prediction], name_of: Callable[[Prediction], str]
) -> list[Change]:
    """By name_of, over the questions that were asked of both; only where an answer changed, most changes first."""
    later = {p.id: p for p in asked_questions(after)}
    counts: dict[str, list[int]] = {}
    for p in asked_questions(before):
        if (q := later.get(p.id)) is None or p.answer == q.answer:
            continue
        kind = 0 if q.is_correct else 1 if p.is_correct else 2
        counts.setdefault(name_of(p), [0, 0, 0])[kind] += 1
    return sorted(
        (Change(name, *numbers) for name, numbers in counts.items()),
        key=lambda change: (-change.fixed - change.broken, -change.other, change.name),
    )
