"""A question about a clip, from the annotation to the accuracy JSON: data, never read back from a prompt."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from roadtrain.data.answer_kinds import BINARY, GRADED, read_yes_no
from roadtrain.data.answer_reasoning import reasoned_text
from roadtrain.data.answers import right_letter
from roadtrain.media import Clip, Medium, Words

UNGROUPED = "ungrouped"  # the group of a question of which nobody says one


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the same conversation, and its answer."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about one clip. A conversation of several turns is one Question a turn."""

    id: str  # unique in a file: <video stem>_<n>
    scenario: str  # the group of videos that were recorded together: cameras share its questions
    clip: Clip
    type: str  # the question set: environment, ..
    phase: str  # full_video, or the label of the window
    text: str  # the question itself, without options and instruction
    prompt: str  # what the model is asked: the human turn without its leading media and surrounding white space
    answer: str  # what it should say: a letter; empty in a test
    options: dict[str, str] = field(default_factory=dict)  # {letter: text}; empty for an open question
    group: str = UNGROUPED  # what accuracy is told apart by: a table's `type`, WTS's kinds of questions
    history: tuple[Turn, ...] = ()  # the turns between the clip and the prompt
    question_id: str | None = None  # what a test's submission calls the question
    kind: str = ""  # of its answer: one of answer_kinds.KINDS
    reasoning: str = ""  # what is trained before the answer

    @property
    def video(self) -> str:
        """The clip's first medium: a file's name relative to the split's media folder."""
        return self.clip.first.file

    @property
    def correct(self) -> str:
        """The right option's letter, Yes or No, or an open question's words, read as a response is: what is trained may be
        "A: Red". Of a reference that names no option (conversion refuses it), and of spans and texts, the answer itself."""
        if self.kind in GRADED:
            return self.answer
        reading = read_yes_no(self.answer).letter if self.kind == BINARY else right_letter(self.answer, self.options)
        return reading or self.answer

    def trained_answer(self, opened: bool = False) -> str:
        """What the model learns to say: the answer, after its reasoning in tags where there is some. `opened`: the chat template
        has written the opening tag already."""
        return reasoned_text(self.reasoning, self.answer, opened) if self.reasoning else self.answer

    @property
    def human_turn(self) -> str:
        """The prompt and, where media stand between its words, all of it with their placeholders."""
        turn: list[Medium | Words] = []
        for part in self.clip.parts if not self.history else ():
            turn = [] if isinstance(part, Words) and part.speaker == "model" else [*turn, part]
        if all(isinstance(part, Medium) for part in turn):
            return self.prompt
        return "".join(part.placeholder if isinstance(part, Medium) else part.text for part in turn) + self.prompt


def group_by_clip(questions: Iterable[Question]) -> dict[Clip, list[Question]]:
    """{clip: its questions}, clips in the order of their first question. A clip is decoded and encoded once."""
    groups: dict[Clip, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.clip, []).append(question)
    return groups
