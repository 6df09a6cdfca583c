"""Does a deployed model work? Health, models, one question about a video, accuracy on some validation questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NotRequired, TypedDict

from roadtrain.data.answer_kinds import choices_of, read_response
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question, group_by_clip
from roadtrain.data.sources.base import relative_path
from roadtrain.deploy.ask import server_video
from roadtrain.deploy.client import Client, SentVideo, check_sendable
from roadtrain.deploy.messages import conversation
from roadtrain.frames.alone import Reading
from roadtrain.frames.containers import place_fault
from roadtrain.media import Clip, Medium
from roadtrain.spec.resolved import VisionSettings


class ServerCheck(TypedDict):
    """One thing that was tried with a server, and what came of it."""

    name: str
    ok: bool
    found: str  # what the server said, for people
    accuracy: NotRequired[float]
    questions: NotRequired[int]


@dataclass(frozen=True)
class Asking:
    """How the validation questions are asked."""

    media: str  # the folder that their videos are relative to
    vision: VisionSettings | None  # just these frames are sent; None: the file
    reading: Reading
    follow_links: bool  # of media, out of their folder
    system_prompt: str
    max_new_tokens: int
    with_reasoning: bool  # responses are to reason first, in tags
    min_accuracy: float  # less fails


def check_server(client: Client, model: str | None, questions: Sequence[Question], asking: Asking) -> list[ServerCheck]:
    """Checks in their order; what needs a server that doesn't answer is left out. `model`: None, the server's first."""
    health = client.healthy()
    checks: list[ServerCheck] = [
        {"name": "health", "ok": health is not None, "found": health or f"{client.url} doesn't answer"}
    ]
    if health is None:
        return checks
    models = client.models()
    name = model or (models[0] if models else None)
    checks.append({"name": "models", "ok": name in models, "found": ", ".join(models) or "none"})
    if name in models:
        checks += _ask_all(client, questions, asking)
    return checks


def medium_file(media: str, medium: Medium, follow_links: bool = False, place: str = "") -> Path:
    """The file of a medium, which is sent to a server: conversations from elsewhere may name any file. `place`: of whose question.

    Raises ValueError for one outside of the folder `media`.
    """
    name = relative_path(medium.file, "--llava", place)
    if fault := place_fault(media, name, follow_links):
        raise ValueError(f"--llava: {place + ': ' if place else ''}{name}: {fault}")
    return Path(media, name)


def _ask_all(client: Client, questions: Sequence[Question], asking: Asking) -> list[ServerCheck]:
    """Whether the first answer can be read, and how many are right."""
    checks: list[ServerCheck] = []
    right = 0
    options = {"temperature": 0, "seed": 0, "max_tokens": asking.max_new_tokens}
    for clip, of_clip in groupby(questions, lambda question: question.clip):  # decoded once for its questions
        media: list[SentVideo] = []
        for question in of_clip:
            check_sendable(question=question.prompt, system_prompt=asking.system_prompt)
            media = media or [_sent(medium, question.id, asking) for medium in clip.media]
            response = "".join(client.converse(conversation(question, media, asking.system_prompt), options))
            answer = read_response(response, question.options, question.kind, asking.with_reasoning)
            right += answer.letter == question.correct
            if not checks:
                meaning = answer.letter or f"nothing: {answer.rule}"
                words = f"{question.text} {response!r} means {meaning}"
                checks.append({"name": "a question about a video", "ok": answer.letter is not None, "found": words})
    accuracy = right / len(questions)
    checks.append(
        {
            "name": "accuracy",
            "ok": accuracy >= asking.min_accuracy,
            "found": f"{accuracy:.3f} ({right} of {len(questions)} questions)",
            "accuracy": accuracy,
            "questions": len(questions),
        }
    )
    return checks


def _sent(medium: Medium, place: str, asking: Asking) -> SentVideo:
    return server_video(medium_file(asking.media, medium, asking.follow_links, place), asking.vision, asking.reading)


def spread_questions(llava: str, count: int) -> list[Question]:
    """`count` questions with options, or of yes and no, about as many clips as there are, in the file's order. Whole media only, one
    or several: a window can't be sent. Raises ValueError when there is none."""
    plain = (q for q in read_questions(llava) if choices_of(q.options, q.kind) and _is_whole(q.clip) and not q.history)
    clips = group_by_clip(plain)
    if not clips:
        raise ValueError(f"{llava}: no question with options, or of yes and no, about whole videos")
    videos = list(clips.values())
    rounds = [(n, k) for k in range(max(map(len, videos))) for n in range(len(videos)) if k < len(videos[n])]
    # A different question of each video first, or all would be asked about the weather.
    places = [(n, (n + k) % len(videos[n])) for n, k in rounds[:count]]
    return [videos[n][k] for n, k in sorted(places)]


def _is_whole(clip: Clip) -> bool:
    """Media from their beginning to their end, without words between them."""
    return all(isinstance(part, Medium) and part.start is None and part.end is None for part in clip.parts)
