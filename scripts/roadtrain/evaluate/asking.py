"""Ask a checkpoint about a video or a picture, here and now, with plain PyTorch: the reader and the prompt are training's."""

import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from roadtrain.data.llava import PLACEHOLDER, multiple_choice
from roadtrain.data.option_lists import read_option_list
from roadtrain.data.question import Question
from roadtrain.evaluate.local import load_for_answers
from roadtrain.evaluate.replies import Reply, letter_probabilities, letter_tokens
from roadtrain.frames.index import ClipFrames
from roadtrain.media import Clip, Medium
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prompter

TIME = re.compile(r"<(\d+(?:\.\d+)?) seconds>")  # as Qwen3-VL's processor writes when a frame pair is shown


def lone_question(text: str, options: Mapping[str, str] | None = None) -> Question:
    """A question by itself, of no data set. With `options` ({letter: text}) its prompt is the one that conversion writes
    of them; without, the text is the prompt, and options that it lists itself are read as in somebody's LLaVA file."""
    prompt, choices = text.strip(), dict(options or {})
    if choices:
        prompt = multiple_choice(text.strip(), choices).strip().removeprefix(PLACEHOLDER).strip()
    else:
        choices = read_option_list(prompt).options
    return Question(
        id="q",
        scenario="",
        clip=Clip((Medium(""),)),
        type="",
        phase="",
        text=text.strip(),
        prompt=prompt,
        answer="",
        options=choices,
    )


class Asker:
    """A loaded checkpoint that answers questions about video files."""

    def __init__(self, path: str | Path, system_prompt: str) -> None:
        self.prompter = Prompter(load_processor(path), system_prompt)
        self.tokenizer = self.prompter.processor.tokenizer
        self.model = load_for_answers(path)

    def ask(
        self,
        clip: ClipFrames,
        questions: Sequence[Question],
        max_new_tokens: int,
        on_token: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        """Every reply, as the evaluation has it; the clip goes through the model once. `on_token` is called with
        (number of the question, token) at once."""
        from roadtrain.evaluate.generation import generate_answers

        answers = generate_answers(
            self.model,
            self.prompter.prefix(clip),
            [self.prompter.segment(question) for question in questions],
            stop_tokens=self.prompter.stop_tokens,
            max_new_tokens=max_new_tokens,
            letters=[letter_tokens(self.tokenizer, question.options) for question in questions],
            on_token=on_token,
        )
        return [
            Reply(
                self.tokenizer.decode(answer.tokens).strip(),
                letter_probabilities(list(question.options), answer.letter_logits),
            )
            for question, answer in zip(questions, answers, strict=True)
        ]

    def times_in(self, ids: Sequence[int]) -> list[str]:
        """The `<t seconds>` of a prompt's tokens."""
        return TIME.findall(self.tokenizer.decode(list(ids)))

    def stream(
        self, clip: ClipFrames, questions: Sequence[Question], max_new_tokens: int
    ) -> Iterator[tuple[Iterator[str], Callable[[], Reply]]]:
        """The same, each answer in pieces as its tokens come, and its reply when it is whole. Take them in order."""
        waiting: list[queue.Queue[int | Exception | None]] = [queue.Queue() for _ in questions]
        replies: list[Reply] = []

        def generate() -> None:
            end: Exception | None = None
            try:
                replies.extend(self.ask(clip, questions, max_new_tokens, lambda k, token: waiting[k].put(token)))
            except Exception as error:  # for the reader's thread
                end = error
            for tokens in waiting:
                tokens.put(end)

        threading.Thread(target=generate, daemon=True).start()
        for number, tokens in enumerate(waiting):
            yield self._pieces(tokens), partial(replies.__getitem__, number)

    def _pieces(self, tokens: "queue.Queue[int | Exception | None]") -> Iterator[str]:
        length, ids = 0, []
        while (token := tokens.get()) is not None:
            if isinstance(token, Exception):
                raise token
            ids.append(token)
            answer = self.tokenizer.decode(ids).lstrip()
            if not answer.endswith("\ufffd"):  # half a character
                yield answer[length:]
                length = len(answer)
