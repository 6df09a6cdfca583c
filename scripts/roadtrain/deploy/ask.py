"""Ask about a video file: a server over HTTP, or a checkpoint that is loaded here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadtrain.cli import UserError
from roadtrain.deploy.client import Client, SentVideo, sent_file
from roadtrain.deploy.sent_video import frames_video
from roadtrain.deploy.serving import SYSTEM_PROMPT, CheckpointSetting
from roadtrain.frames.alone import Reading, read_alone
from roadtrain.frames.index import ClipFrames
from roadtrain.spec.resolved import VisionSettings
from roadtrain.workers import JobLimits

Answers = Iterator[tuple[str, Iterator[str]]]  # (question, its answer in pieces)


@dataclass(frozen=True)
class VideoQuestions:
    """What is asked about one video file."""

    video: str  # a file
    questions: Sequence[str]
    system_prompt: str | None  # None: that of the checkpoint's run, or the recipe's
    max_new_tokens: int
    stream: bool  # pieces as they come; else an answer is one piece


def server_video(video: str | Path, vision: VisionSettings | None, reading: Reading) -> SentVideo:
    """What a server is sent: with a vision setting just the frames that training would see, else the file, which it then
    samples by its own reader. Raises ValueError saying why a video can't be had."""
    if vision is None:
        return sent_file(video)
    return SentVideo("video/mp4", frames_video(read_alone(video, vision, reading), vision))


def ask_server(client: Client, request: VideoQuestions, vision: VisionSettings | None, reading: Reading) -> Answers:
    """Raises UserError with what the server said; ValueError as server_video."""
    system_prompt = request.system_prompt or SYSTEM_PROMPT
    video = server_video(request.video, vision, reading)
    for question in request.questions:
        pieces = client.stream(video, question, system_prompt, request.max_new_tokens)
        yield question, pieces if request.stream else iter(["".join(pieces)])


def ask_checkpoint(setting: CheckpointSetting, request: VideoQuestions, limits: JobLimits) -> Answers:
    """The video is decoded as in training and read once for all questions. Raises UserError when it isn't known how."""
    if setting.vision is None:
        raise UserError(
            f"{setting.path}: which frames was it trained with? Say so, as in the spec: --vision '{{\"nframes\": 8}}'"
        )
    from roadtrain.evaluate.asking import Asker

    reading = Reading(setting.reader, limits)
    clip = ClipFrames((read_alone(request.video, setting.vision, reading),))
    asker = Asker(setting.path, request.system_prompt or setting.system_prompt)
    if request.stream:
        for question in request.questions:
            yield question, asker.stream(clip, question, request.max_new_tokens)
    else:
        answers = asker.ask(clip, list(request.questions), request.max_new_tokens)
        for question, answer in zip(request.questions, answers, strict=True):
            yield question, iter([answer])
