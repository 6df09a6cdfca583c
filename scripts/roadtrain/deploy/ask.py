"""Ask about a video file: a server over HTTP, or a checkpoint that is loaded here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roadtrain.cli import UserError
from roadtrain.deploy.client import Client
from roadtrain.deploy.serving import SYSTEM_PROMPT, CheckpointSetting

Answers = Iterator[tuple[str, Iterator[str]]]  # (question, its answer in pieces)


@dataclass(frozen=True)
class VideoQuestions:
    """What is asked about one video file."""

    video: str  # a file
    questions: Sequence[str]
    system_prompt: str | None  # None: that of the checkpoint's run, or the recipe's
    max_new_tokens: int
    stream: bool  # pieces as they come; else an answer is one piece


def ask_server(client: Client, request: VideoQuestions) -> Answers:
    """The file is sent along and the server samples it. Raises UserError with what the server said."""
    system_prompt = request.system_prompt or SYSTEM_PROMPT
    for question in request.questions:
        pieces = client.stream(request.video, question, system_prompt, request.max_new_tokens)
        yield question, pieces if request.stream else iter(["".join(pieces)])


def ask_checkpoint(setting: CheckpointSetting, request: VideoQuestions) -> Answers:
    """The video is decoded as in training and read once for all questions. Raises UserError when it isn't known how."""
    if setting.vision is None:
        raise UserError(
            f"{setting.path}: which frames was it trained with? Say so, as in the spec: --vision '{{\"nframes\": 8}}'"
        )
    from roadtrain.evaluate.asking import Asker

    asker = Asker(setting.path, request.system_prompt or setting.system_prompt)
    clip = asker.read_video(request.video, setting.vision)
    if request.stream:
        for question in request.questions:
            yield question, asker.stream(clip, question, request.max_new_tokens)
    else:
        answers = asker.ask(clip, list(request.questions), request.max_new_tokens)
        for question, answer in zip(request.questions, answers, strict=True):
            yield question, iter([answer])
