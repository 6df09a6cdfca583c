"""Ask a checkpoint about a video file, here and now, with plain PyTorch: the reader and the prompt are training's."""

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from roadtrain.data.question import Question
from roadtrain.evaluate.local import load_for_answers
from roadtrain.frames.index import ClipFrames
from roadtrain.media import Clip, Medium
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prompter


def open_question(text: str) -> Question:
    """A question by itself: of no data set, without options."""
    prompt = text.strip()
    return Question(
        id="q", scenario="", clip=Clip((Medium(""),)), type="", phase="", text=prompt, prompt=prompt, answer=""
    )


class Asker:
    """A loaded checkpoint that answers questions about video files."""

    def __init__(self, path: str | Path, system_prompt: str) -> None:
        self.prompter = Prompter(load_processor(path), system_prompt)
        self.tokenizer = self.prompter.processor.tokenizer
        self.model = load_for_answers(path)

    def ask(self, clip: ClipFrames, questions: list[str], max_new_tokens: int) -> list[str]:
        """Every answer; the video is read once."""
        return [
            self.tokenizer.decode(answer.tokens).strip() for answer in self._generate(clip, questions, max_new_tokens)
        ]

    def stream(self, clip: ClipFrames, question: str, max_new_tokens: int) -> Iterator[str]:
        """One answer in pieces, as its tokens come."""
        tokens: queue.Queue[int | Exception | None] = queue.Queue()

        def generate() -> None:
            try:
                self._generate(clip, [question], max_new_tokens, lambda _, token: tokens.put(token))
                tokens.put(None)
            except Exception as error:  # for the reader's thread
                tokens.put(error)

        threading.Thread(target=generate, daemon=True).start()
        length, ids = 0, []
        while (token := tokens.get()) is not None:
            if isinstance(token, Exception):
                raise token
            ids.append(token)
            answer = self.tokenizer.decode(ids).lstrip()
            if not answer.endswith("\ufffd"):  # half a character
                yield answer[length:]
                length = len(answer)

    def _generate(
        self,
        clip: ClipFrames,
        questions: list[str],
        max_new_tokens: int,
        on_token: Callable[[int, int], None] | None = None,
    ) -> list[Any]:
        from roadtrain.evaluate.generation import generate_answers

        return generate_answers(
            self.model,
            self.prompter.prefix(clip),
            [self.prompter.segment(open_question(question)) for question in questions],
            stop_tokens=self.prompter.stop_tokens,
            max_new_tokens=max_new_tokens,
            on_token=on_token,
        )
