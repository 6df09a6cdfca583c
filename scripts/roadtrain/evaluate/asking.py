"""Ask a checkpoint about a video file, here and now, with plain PyTorch: the reader and the prompt are training's."""

import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roadtrain.data.llava import Entry
from roadtrain.frames.index import Clip, read_frames
from roadtrain.model.loading import load_model, load_processor
from roadtrain.model.prompts import ANSWER_END, Prompter


def entry(question: str) -> Entry:
    return Entry(id="q", scenario="", video="", type="", phase="", prompt=question.strip(), answer="")


class Asker:
    def __init__(self, path: str | Path, system_prompt: str):
        import torch

        from roadtrain.evaluate.evaluator import ready

        self.prompter = Prompter(load_processor(path), system_prompt)
        self.tokenizer = self.prompter.processor.tokenizer
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = ready(load_model(path, "float32" if device == "cpu" else "auto").to(device).eval())
        self.stop = {self.tokenizer.convert_tokens_to_ids(ANSWER_END), self.tokenizer.eos_token_id}

    def clip(self, video: str | Path, vision: dict[str, Any]) -> Clip:
        """The frames, decoded as for the frame cache. Raises ValueError saying why a video can't be had."""
        from roadtrain.frames.decoding import decode, inspect, jobs

        video = Path(video)
        if not video.is_file():
            raise FileNotFoundError(2, "no such file", str(video))
        with tempfile.TemporaryDirectory() as cache:
            (job,) = jobs([(video.name, None, None)], str(video.parent), (vision,), cache)
            row = decode(inspect(job))[0][0]
            if "reason" in row:
                raise ValueError(f"{video}: {row['reason']}")
            metadata = {name: row[name] for name in ("fps", "frames_indices", "total_num_frames")} | {
                "video_backend": "decord"
            }
            return Clip(read_frames(row["file"]).clone(), metadata, row["vision_tokens"])

    def ask(self, clip: Clip, questions: list[str], max_new_tokens: int) -> list[str]:
        """Every answer; the video is read once."""
        return [self.tokenizer.decode(one.tokens).strip() for one in self._answer(clip, questions, max_new_tokens)]

    def stream(self, clip: Clip, question: str, max_new_tokens: int) -> Iterator[str]:
        """One answer in pieces, as its tokens come."""
        tokens: queue.Queue = queue.Queue()

        def work() -> None:
            try:
                self._answer(clip, [question], max_new_tokens, lambda _, token: tokens.put(token))
                tokens.put(None)
            except Exception as error:  # for the reader's thread
                tokens.put(error)

        threading.Thread(target=work, daemon=True).start()
        said, ids = "", []
        while (token := tokens.get()) is not None:
            if isinstance(token, Exception):
                raise token
            ids.append(token)
            text = self.tokenizer.decode(ids).lstrip()
            if not text.endswith("\ufffd"):  # half a character
                yield text[len(said) :]
                said = text

    def _answer(self, clip: Clip, questions: list[str], max_new_tokens: int, told: Any = None) -> list[Any]:
        from roadtrain.evaluate.evaluator import answer

        segments = [self.prompter.segment(entry(question)) for question in questions]
        prefix = self.prompter.prefix(clip)
        return answer(self.model, prefix, segments, stop=self.stop, max_new_tokens=max_new_tokens, told=told)
