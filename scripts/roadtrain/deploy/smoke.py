"""Does a deployed model work? Health, models, one question about a video, accuracy on some validation questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NotRequired, TypedDict

from roadtrain.data.answers import read_answer
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question, group_by_clip
from roadtrain.data.sources.base import relative_path
from roadtrain.deploy.ask import server_video
from roadtrain.deploy.client import Client
from roadtrain.frames.alone import Reading
from roadtrain.frames.containers import place_fault
from roadtrain.media import Medium
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


def video_file(media: str, question: Question, follow_links: bool = False) -> Path:
    """The file of a question's video. Raises ValueError as medium_file."""
    return medium_file(media, question.clip.first, follow_links, question.id)


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
    for file, of_video in groupby(questions, lambda one: video_file(asking.media, one, asking.follow_links)):
        video = server_video(file, asking.vision, asking.reading)
        for question in of_video:
            reply = client.ask(video, question.prompt, asking.system_prompt, asking.max_new_tokens)
            letter = read_answer(reply, question.options).letter
            right += letter == question.correct
            if not checks:
                words = f"{question.text} {reply!r} means {letter}"
                checks.append({"name": "a question about a video", "ok": letter is not None, "found": words})
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


def spread_questions(llava: str, count: int) -> list[Question]:
    """`count` multiple-choice questions of as many videos as there are, in the file's order. Whole videos only: a
    window can't be sent. Raises ValueError when there is none."""
    plain = (q for q in read_questions(llava) if q.options and q.clip.is_whole_video and not q.history)
    clips = group_by_clip(plain)
    if not clips:
        raise ValueError(f"{llava}: no multiple-choice question about a whole video")
    videos = list(clips.values())
    rounds = [(n, k) for k in range(max(map(len, videos))) for n in range(len(videos)) if k < len(videos[n])]
    # A different question of each video first, or all would be asked about the weather.
    places = [(n, (n + k) % len(videos[n])) for n, k in rounds[:count]]
    return [videos[n][k] for n, k in sorted(places)]
