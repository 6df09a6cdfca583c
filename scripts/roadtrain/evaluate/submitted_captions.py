"""Texts about WTS's public test -> the AI City challenge's captions: two a phase of every scenario.

    {"<scenario or BDD_PC_5K's video>": [{"labels": ["0"], "caption_pedestrian": "..", "caption_vehicle": ".."}, ..], ..}

A phase is asked about in each of its scenario's cameras, overhead ones before the vehicle's, and the challenge takes one text of
each subject. `first` takes that of the first camera that has one. `consensus` takes the text that the challenge's own score likes
best as a caption of the others' (minimum Bayes risk: Kumar & Byrne, NAACL 2004); one of two alike, or of less than three, is the
first. What must be there is said by the test's annotations, not by what was converted: a phase that lacks a text is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from roadtrain.cli import UserError
from roadtrain.data.question import Question
from roadtrain.data.sources.records import is_caption
from roadtrain.evaluate.caption_metrics import caption_points, caption_scores
from roadtrain.evaluate.caption_predictions import LABELS, SUBJECT_OF
from roadtrain.evaluate.captions import SUBJECTS
from roadtrain.evaluate.submission import CameraAnswer

Choice = Literal["first", "consensus"]
NAMED = 5  # of what is missing, in a message

SubmittedPhase = dict[str, list[str] | str]  # labels, caption_pedestrian, caption_vehicle
Captions = dict[str, list[SubmittedPhase]]


@dataclass(slots=True)
class Texts:
    """What the cameras of a phase say about one subject, in their order."""

    videos: list[str] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)  # None: the video can't be read

    @property
    def candidates(self) -> list[int]:
        """The cameras that have a text."""
        return [n for n, text in enumerate(self.texts) if text and text.strip()]

    @property
    def is_disputed(self) -> bool:
        """Whether cameras have different texts."""
        return len({self.texts[n] for n in self.candidates}) > 1

    def choose(self, rule: Choice) -> int | None:
        """Which camera's is submitted; None: no camera has a text."""
        here = self.candidates
        if rule == "first" or len(here) < 3 or not self.is_disputed:
            return here[0] if here else None
        return max(here, key=lambda n: (self.likeness(n), -n))

    def likeness(self, camera: int) -> float:
        """0 to 100: the mean score of its text as a caption, each other text being the reference."""
        text, others = self.texts[camera], [n for n in self.candidates if n != camera]
        points = [caption_points(caption_scores(text or "", self.texts[n] or "")) for n in others]
        return sum(points) / len(points)


Phase = tuple[str, str, str]  # scenario, label, subject


def texts_of(questions: Mapping[str, Question], answers: Mapping[str, CameraAnswer]) -> dict[Phase, Texts]:
    """{(scenario, label, subject): the cameras' texts} of a test's captions, in the conversations' order."""
    texts: dict[Phase, Texts] = {}
    for id, question in questions.items():
        if is_caption(question.options, question.group):
            key = question.scenario, LABELS.get(question.phase, question.phase), SUBJECT_OF[question.group]
            here = texts.setdefault(key, Texts())
            here.videos.append(question.video)
            here.texts.append(answers[id].response)
    return texts


def make_captions(
    texts: Mapping[Phase, Texts], phases: Mapping[str, Sequence[str]], rule: Choice, *, leave_empty: bool = False
) -> Captions:
    """The submission. `phases`: {scenario: its phases}, all that must be there. Raises UserError naming phases without a text
    (with `leave_empty` they get an empty one, which counts 0), and texts about a phase that the test doesn't have."""
    labels = {scenario: [LABELS.get(name, name) for name in names] for scenario, names in phases.items()}
    if unknown := [key for key in texts if key[1] not in labels.get(key[0], ())]:
        scenario, label, _ = unknown[0]
        raise UserError(
            f"{scenario}: phase {label}: no such phase in the test's annotations; convert and ask the test again"
        )
    captions: Captions = {}
    missing = []
    for scenario, of_scenario in labels.items():
        rows = captions.setdefault(scenario, [])
        for label in of_scenario:
            row: SubmittedPhase = {"labels": [label]}
            for subject in SUBJECTS:
                here = texts.get((scenario, label, subject), Texts())
                chosen = here.choose(rule)
                if chosen is None:
                    missing.append(f"{scenario} {label} {subject}")
                row[f"caption_{subject}"] = "" if chosen is None else (here.texts[chosen] or "").strip()
            rows.append(row)
    if missing and not leave_empty:
        total = sum(map(len, labels.values())) * len(SUBJECTS)
        first = ", ".join(missing[:NAMED]) + (", .." if len(missing) > NAMED else "")
        raise UserError(
            f"{len(missing)} of {total} captions are missing: {first}; audit.json says which videos can't be read, and"
            " make_submission.py --missing empty writes the rest"
        )
    return captions
