"""What somebody scores who has read the training answers and looks at nothing: the most frequent answer to each question.

A model that always says No where No is mostly right beats guessing and has learned nothing about videos. Questions are
the same when their words are; answers are options' words, since the same option has another letter elsewhere. Of the
options that are offered the one that was right most often in training is given: to this question, then (ties, and
questions that training doesn't have) to any question, then the first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from roadtrain.data.answer_kinds import choices_of
from roadtrain.data.question import Question


@dataclass
class MajorityAnswers:
    """How often each answer was right in training."""

    of_question: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    of_any: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, questions: Iterable[Question]) -> "MajorityAnswers":
        """Counted over the training questions."""
        majority = cls()
        for question in questions:
            answer = _words(question.options.get(question.correct, question.correct))
            majority.of_question[_words(question.text)][answer] += 1
            majority.of_any[answer] += 1
        return majority

    def has(self, question: Question) -> bool:
        """Whether training asks it."""
        return _words(question.text) in self.of_question

    def answer(self, question: Question) -> str:
        """An option's letter, Yes or No. Of an open question the most frequent answer's words; empty where training has none."""
        here = self.of_question.get(_words(question.text), Counter())
        choices = choices_of(question.options, question.kind)
        if not choices:
            return min(here, key=lambda words: (-here[words], -self.of_any[words], words), default="")
        words = {letter: _words(option) for letter, option in choices.items()}
        return max(words, key=lambda letter: (here[words[letter]], self.of_any[words[letter]]))  # the first of equals


def _words(text: str) -> str:
    return " ".join(text.split())
