"""Which questions two runs have in common: by what they are, not by what they are called.

A question is its media's content and windows, its words, its options and its right answer. Ids, file names and the names
of scenarios may differ: a run on renamed files has the same questions, and one whose video was replaced below the same
name hasn't. The content of media is what conversion wrote down of them (val.media.json, data/media_record.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from roadtrain.data.groups import Groups
from roadtrain.data.llava import read_questions
from roadtrain.data.media_record import read_record
from roadtrain.data.question import Question
from roadtrain.evaluate.predictions import Prediction
from roadtrain.files import sha256_json
from roadtrain.media import Words
from roadtrain.results.reader import Results
from roadtrain.results.run_sides import RunSide

NOT_RECORDED = "the content of its media is not recorded"
NOT_ASKED_OF_BOTH = "not asked of both"


@dataclass(frozen=True)
class QuestionContent:
    """What makes a question that question. Fields in the order in which a difference is named."""

    media: tuple[str | None, ...]  # a print of each; None: unknown
    windows: tuple[tuple[float | None, float | None], ...]  # seconds
    words: tuple[str, ...]  # what is said before it, and where media stand
    text: str
    options: tuple[tuple[str, str], ...]
    reference: str

    @property
    def is_known(self) -> bool:
        return None not in self.media


DIFFERENCES = {
    "media": "another video",
    "windows": "another window of the video",
    "words": "other words before it",
    "text": "another wording",
    "options": "other options",
    "reference": "another right answer",
}
Contents = dict[str, QuestionContent]  # by the question's id in its run


@dataclass(frozen=True)
class SideAnswers:
    """A side's predictions by what they are asked."""

    predictions: dict[str, Prediction]  # by a hash of the content, and a number: the same may be asked twice
    contents: Contents


def contents_of(results: Results, trust_names: bool = False) -> Contents:
    """Of a run's validation questions. `trust_names`: a file's name stands for its content."""
    record = read_record(str(results.at(results.paths.media("val"))))
    prints = record["media"] if record else {}
    contents: Contents = {}
    for question in read_questions(results.at(results.paths.llava("val"))):
        media = question.clip.media
        contents[question.id] = QuestionContent(
            media=tuple(medium.file if trust_names else prints.get(medium.file) for medium in media),
            windows=tuple((medium.start, medium.end) for medium in media),
            words=_words(question),
            text=question.text,
            options=tuple(sorted(question.options.items())),
            reference=question.correct,
        )
    return contents


def answers_of(side: RunSide, contents: Contents) -> SideAnswers:
    """Raises ValueError for a prediction whose question, or right answer, isn't that of the run's conversations."""
    predictions: dict[str, Prediction] = {}
    numbers: Counter[str] = Counter()
    for prediction in side.predictions():
        content = contents.get(prediction.id)
        if content is None or (content.text, content.reference) != (prediction.question, prediction.correct):
            raise ValueError(
                f"{side.name} {side.checkpoint}: the run's conversations don't have question {prediction.id} as it was"
                " asked: evaluate the checkpoint again"
            )
        # What isn't known is nobody else's.
        key = sha256_json(asdict(content)) if content.is_known else f"{side.run}: {prediction.id}"
        predictions[f"{key} {numbers[key]}"] = prediction
        numbers[key] += 1
    return SideAnswers(predictions, contents)


def not_common(a: SideAnswers, b: SideAnswers, names: tuple[str, str]) -> dict[str, int]:
    """{why questions are not compared: how many}. One that both have under the same id counts once."""
    both = a.predictions.keys() & b.predictions.keys()
    reasons = Counter(
        NOT_ASKED_OF_BOTH for key in both if None in (a.predictions[key].response, b.predictions[key].response)
    )
    only_a, only_b = ({p.id for key, p in side.predictions.items() if key not in both} for side in (a, b))
    reasons.update(_difference(a.contents[id], b.contents[id]) for id in only_a & only_b)
    for ids, side, name in ((only_a - only_b, a, names[0]), (only_b - only_a, b, names[1])):
        reasons.update(f"only in {name}" if side.contents[id].is_known else NOT_RECORDED for id in ids)
    return dict(sorted(reasons.items()))


def comparable(answers: Mapping[str, SideAnswers]) -> dict[str, list[Prediction]]:
    """The predictions of each side that were asked, with ids and scenarios that mean the same in all of them.

    Runs may group questions otherwise into scenarios: those that share a question are one, since what belongs together in
    one of the runs isn't independent in the other.
    """
    groups = Groups()
    for name, side in answers.items():
        for key, prediction in side.predictions.items():
            groups.join(f"question {key}", f"scenario {name}: {prediction.scenario}")
    return {
        name: [
            replace(prediction, id=key, scenario=groups.root(f"question {key}"))
            for key, prediction in sorted(side.predictions.items())
            if prediction.response is not None
        ]
        for name, side in answers.items()
    }


def asked_of_all(predictions: Iterable[Sequence[Prediction]]) -> set[str]:
    """Ids that every side has; empty without a side."""
    ids = [{p.id for p in rows} for rows in predictions]
    return set.intersection(*ids) if ids else set()


def _words(question: Question) -> tuple[str, ...]:
    """Media are places among the words: `<video>`."""
    parts = [
        f"{part.speaker}: {part.text}" if isinstance(part, Words) else part.placeholder for part in question.clip.parts
    ]
    return (*parts, *(f"{turn.prompt}\n{turn.answer}" for turn in question.history))


def _difference(a: QuestionContent, b: QuestionContent) -> str:
    if not a.is_known or not b.is_known:
        return NOT_RECORDED
    # Alike in everything: one of them is asked twice in one run, and once in the other.
    repeated = "asked more often in one run"
    return next((words for field, words in DIFFERENCES.items() if getattr(a, field) != getattr(b, field)), repeated)
