"""The questions of a split, asked of an HTTP server with the videos themselves: the way a checkpoint is deployed.

A video goes as the file that it is, and the server samples and resizes it by its own reader. HTTP has no windows: of a window
just its frames are sent, as a video (sent_video.py). Several clips are in flight, the questions of one go one after the other,
so that the server finds the video in its caches.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from roadtrain.cli import UserError
from roadtrain.data.question import Question
from roadtrain.deploy.client import LIKELIEST, Client, FirstToken, SentVideo, sent_file
from roadtrain.deploy.messages import control_token, conversation
from roadtrain.deploy.own_server import any_port, own_server
from roadtrain.deploy.sent_video import frames_video
from roadtrain.deploy.serving import CheckpointSetting
from roadtrain.deploy.smoke import medium_file
from roadtrain.deploy.transport import Refusal
from roadtrain.evaluate.evaluation import ClipQuestions
from roadtrain.evaluate.replies import CannotAsk, Replies, Reply, letter_tokens
from roadtrain.evaluate.wording import wording_of
from roadtrain.frames.index import FrameIndex
from roadtrain.markup import visible
from roadtrain.media import Clip, Medium
from roadtrain.model.checkpoints import CheckpointManifest, present
from roadtrain.model.loading import load_processor

IN_FLIGHT = 4  # clips: a server reads the next ones while it answers
BUSY = (408, 429)  # HTTP statuses of a server that might answer another time, as all from 500 on
PAUSES = (1.0, 5.0)  # seconds before it is asked again, and once more
NAME = "served"  # of the model, in requests
# (the checkpoint, the port, the clips) -> arguments of a Python that start a server
ServerCommand = Callable[[CheckpointSetting, int, ClipQuestions], list[str]]


def ask_served(
    command: ServerCommand,
    args: argparse.Namespace,
    manifest: CheckpointManifest,
    frames: FrameIndex,
    clips: ClipQuestions,
) -> Iterator[Replies | CannotAsk]:
    """The replies of one clip after the other, from a server that `command` starts (an AskClips of evaluation.py without its first
    argument). Raises UserError when the server ends."""
    setting, port = CheckpointSetting(present(manifest), NAME, frames.vision, args.system_prompt), any_port()
    tokenizer = load_processor(manifest["path"]).tokenizer
    with own_server(command(setting, port, clips), port) as server:
        asking = ServedAsking(Client(server.url, NAME), tokenizer, frames, args)
        try:
            yield from in_order(asking.ask, clips)
        except UserError:
            server.check()  # that it has ended says more than that it doesn't answer
            raise


def in_order(
    ask: Callable[[Clip, Sequence[Question]], Replies | CannotAsk], clips: ClipQuestions, in_flight: int = IN_FLIGHT
) -> Iterator[Replies | CannotAsk]:
    """What `ask` gives of each clip, in the order of the clips, a few asked at once. Its first error, or Ctrl-C, ends it at once: the
    others may hang, and do until whoever started the server has ended it."""
    pool, waiting, left = ThreadPoolExecutor(in_flight), list[Future[Replies | CannotAsk]](), iter(clips.items())
    try:
        while True:
            waiting += [pool.submit(ask, *one) for one in islice(left, in_flight - len(waiting))]
            if not waiting:
                return
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class ServedAsking:
    """Asks a server that runs."""

    client: Client
    tokenizer: Any
    frames: FrameIndex
    args: argparse.Namespace  # media, media_links, system_prompt, evaluate

    def ask(self, clip: Clip, questions: Sequence[Question]) -> Replies | CannotAsk:
        """The replies about one clip; CannotAsk when the server refuses it. A question with a control token in its texts, which a
        server would read as one, is left out and said; one at which the server fails has its failure for a reply. Raises UserError
        when the server doesn't answer."""
        replies: Replies = {}
        try:
            media = [self._sent(medium) for medium in clip.media]
            for question in questions:
                messages = conversation(question, media, self.args.system_prompt)
                if token := control_token(messages):
                    words = f"{question.id}: {token} in its texts would be a control token to a server: it is not asked"
                    print(visible(words), file=sys.stderr)
                    continue
                replies[question.id] = self._reply(question, messages)
        except Refusal as refusal:
            return CannotAsk(str(refusal).removeprefix(f"{self.client.url}: "))
        return replies

    def _sent(self, medium: Medium) -> SentVideo:
        if medium.start is None and medium.end is None:
            return sent_file(medium_file(self.args.media, medium, self.args.media_links == "follow"))
        (part,) = self.frames.read(Clip((medium,))).media
        return SentVideo("video/mp4", frames_video(part))

    def _reply(self, question: Question, messages: list[dict[str, Any]]) -> Reply:
        wording, letters = wording_of(question, self.args.evaluate), letter_tokens(self.tokenizer, question.options)
        options: dict[str, Any] = {
            "max_tokens": wording.max_new_tokens,
            "temperature": wording.temperature,
            "seed": wording.seed,
        }
        if letters:  # all of them, where a server knows the second key; else those among the likeliest
            options |= {"logprobs": True, "top_logprobs": LIKELIEST, "logprob_token_ids": letters}
            if self.args.evaluate.answers == "letters":
                options |= {"allowed_token_ids": letters, "max_tokens": 1}
        for pause in (*PAUSES, None):
            try:
                return self._once(question, messages, options)
            except Refusal as refusal:
                if refusal.status < 500 and refusal.status not in BUSY:
                    raise
                if self.client.healthy() is None:  # it would fail the others, too
                    raise UserError(f"{refusal}: it isn't well any more; what it answered before is kept") from None
                words = str(refusal).removeprefix(f"{self.client.url}: ")
            if pause is not None:
                time.sleep(pause)
        print(visible(f"{question.id}: the server failed {len(PAUSES) + 1} times: {words}"), file=sys.stderr)
        return Reply(None, failure=words)

    def _once(self, question: Question, messages: list[dict[str, Any]], options: dict[str, Any]) -> Reply:
        first_token = FirstToken()
        try:
            response = "".join(self.client.converse(messages, options, first_token)).strip()
        except Refusal:
            raise
        except UserError as error:  # it hangs, or breaks off: at which question says where to look
            raise UserError(f"{question.id} ({question.clip.first.file}): {error}") from None
        return Reply(response, first_token.probabilities(tuple(question.options)))
