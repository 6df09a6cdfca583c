"""Ask about a video or a picture: a server over HTTP, or a checkpoint that is loaded here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from roadtrain.cli import UserError
from roadtrain.data.answers import read_answer
from roadtrain.data.question import Question
from roadtrain.deploy.client import Client, FirstToken, SentVideo, sent_file
from roadtrain.deploy.sent_video import frames_picture, frames_video
from roadtrain.deploy.serving import SYSTEM_PROMPT, CheckpointSetting
from roadtrain.evaluate.replies import Reply
from roadtrain.frames.alone import Reading, read_alone
from roadtrain.frames.index import ClipFrames
from roadtrain.spec.resolved import VisionSettings
from roadtrain.workers import JobLimits


@dataclass(frozen=True)
class VideoQuestions:
    """What is asked about a file, or about several together."""

    videos: Sequence[str]  # files: videos, or pictures, in the order of the prompt
    questions: Sequence[Question]
    system_prompt: str | None  # None: that of the checkpoint's run, or the recipe's
    max_new_tokens: int
    stream: bool  # pieces as they come; else an answer is one piece


Say = Callable[[str], object]  # is told what is done now, while nothing is said yet


@dataclass(frozen=True)
class Answer:
    """To one question. Take the pieces first."""

    question: Question
    pieces: Iterator[str]  # of what is said
    # Of the option letters, where the answer begins; None: an open question, or a server that doesn't say.
    probabilities: Callable[[], dict[str, float] | None]

    def whole(self) -> dict[str, Any]:
        """For a line of JSON or a page: question, answer, and for one with options these, the letter that the answer means
        (None: unread) and the letters' probabilities (None: not known)."""
        response = "".join(self.pieces).strip()
        value = {"question": self.question.text, "answer": response}
        return value if not self.question.options else value | self.choice(response)

    def choice(self, response: str) -> dict[str, Any]:
        """What an answer means among the options, read as the evaluation reads it."""
        options = self.question.options
        letter = read_answer(response, options).letter
        return {"options": options, "letter": letter, "probabilities": self.probabilities()}


def server_video(video: str | Path, vision: VisionSettings | None, reading: Reading) -> SentVideo:
    """What a server is sent: with a vision setting just the frames that training would see, else the file, which it then
    samples by its own reader. Raises ValueError saying why a video can't be had."""
    if vision is None:
        return sent_file(video)
    medium = read_alone(video, vision, reading)
    if medium.kind == "image":
        return SentVideo("image/png", frames_picture(medium))
    return SentVideo("video/mp4", frames_video(medium))


def ask_server(
    client: Client,
    request: VideoQuestions,
    vision: VisionSettings | None,
    reading: Reading,
    say: Say = lambda words: None,
) -> Iterator[Answer]:
    """Each video is read once, and sent with every question. Raises UserError with what the server said; ValueError as
    server_video."""
    system_prompt = SYSTEM_PROMPT if request.system_prompt is None else request.system_prompt
    media = []
    for video in request.videos:
        say(f"reading {video}")
        media.append(server_video(video, vision, reading))
    say(f"asking {client.url}")
    for question in request.questions:
        first_token = FirstToken() if question.options else None
        pieces = client.stream(media, question.prompt, system_prompt, request.max_new_tokens, first_token)
        yield Answer(
            question, pieces if request.stream else iter(["".join(pieces)]), partial(_by_server, first_token, question)
        )


def clip_of_files(
    setting: CheckpointSetting, videos: Sequence[str | Path], limits: JobLimits, say: Say = lambda words: None
) -> ClipFrames:
    """The frames that a checkpoint was trained to see. Raises UserError when it isn't known how, ValueError when a file
    can't be read."""
    if setting.vision is None:
        raise UserError(
            f"{setting.path}: which frames was it trained with? Say so, as in the spec: --vision '{{\"nframes\": 8}}'"
        )
    media = []
    for video in videos:
        say(f"reading {video}")
        media.append(read_alone(video, setting.vision, Reading(setting.reader, limits)))
    return ClipFrames(tuple(media))


def ask_checkpoint(
    setting: CheckpointSetting, request: VideoQuestions, limits: JobLimits, say: Say = lambda words: None
) -> Iterator[Answer]:
    """The files are decoded once, as in training, and go through the model once for all questions. Raises UserError when it
    isn't known how."""
    clip = clip_of_files(setting, request.videos, limits, say)
    say(f"loading {setting.path}")
    from roadtrain.evaluate.asking import Asker

    asker = Asker(setting.path, setting.system_prompt if request.system_prompt is None else request.system_prompt)
    say("looking and answering")
    if request.stream:
        streams = asker.stream(clip, request.questions, request.max_new_tokens)
        for question, (pieces, whole_reply) in zip(request.questions, streams, strict=True):
            yield Answer(question, pieces, partial(_by_reply, whole_reply))
        return
    replies = asker.ask(clip, request.questions, request.max_new_tokens)
    for question, reply in zip(request.questions, replies, strict=True):
        yield answer_of_reply(question, reply)


def answer_of_reply(question: Question, reply: Reply) -> Answer:
    """One that is whole already."""
    return Answer(question, iter([reply.response or ""]), lambda: reply.probabilities)


def _by_reply(reply: Callable[[], Reply]) -> dict[str, float] | None:
    return reply().probabilities


def _by_server(first_token: FirstToken | None, question: Question) -> dict[str, float] | None:
    return first_token.probabilities(tuple(question.options)) if first_token else None
