"""Ask an OpenAI-compatible server (vLLM, NIM) about a video file.

The video travels inside the request, so the server needs no access to this machine's disk. A key is read from
OPENAI_API_KEY by the `openai` package; local servers need none.

A server tokenizes what it is sent, and reads control tokens in it: a text that has one is refused here, since it would be
another prompt than the same text in training (roadtrain.model.plain_text).
"""

import base64
import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.cli import UserError
from roadtrain.deploy.addresses import server_url
from roadtrain.frames.containers import file_fault

CONTROL_TOKEN = re.compile(r"<\|\w+\|>")  # as all of Qwen's are written
HEALTH = ("/v1/health/ready", "/health")  # NIM's and vLLM's
TYPES = {
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".avi": "video/x-msvideo",
}


@dataclass(frozen=True)
class SentVideo:
    """A video as it travels."""

    kind: str  # its MIME type
    content: bytes

    @property
    def url(self) -> str:
        return f"data:{self.kind};base64,{base64.b64encode(self.content).decode()}"


class Client:
    """An OpenAI-compatible server. `url` without /v1; `timeout` in seconds."""

    def __init__(self, url: str, model: str | None = None, timeout: float = 600):
        """`url` with or without /v1. Raises UserError for one that is none, or when the `openai` package is missing."""
        try:
            import openai
        except ImportError:
            raise UserError("the package openai is missing: pip install openai, or make vllm") from None
        self.url, self._model, self._openai = server_url(url), model, openai
        key = os.environ.get("OPENAI_API_KEY") or "none"
        # The key and the video are for the server that was named, wherever it would send them on to.
        http = openai.DefaultHttpxClient(follow_redirects=False)
        self._api = openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=key, timeout=timeout, max_retries=0, http_client=http
        )

    def healthy(self) -> str | None:
        """The health address that answered, None when none did."""
        for path in HEALTH:
            try:
                with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                    if answer.status == 200:
                        return path
            except OSError:  # refused, 404, no answer in time
                continue
        return None

    def models(self) -> list[str]:
        return [model.id for model in self._call(self._api.models.list).data]

    @property
    def model(self) -> str:
        if self._model is None:
            self._model = self.models()[0]
        return self._model

    def ask(self, video: SentVideo, question: str, system_prompt: str, max_new_tokens: int) -> str:
        return "".join(self.stream(video, question, system_prompt, max_new_tokens))

    def stream(self, video: SentVideo, question: str, system_prompt: str, max_new_tokens: int) -> Iterator[str]:
        """The answer in pieces, as they come. Greedy. Raises UserError with what the server said, or for a text with a
        control token."""
        check_sendable(question=question, system_prompt=system_prompt)
        content = [{"type": "video_url", "video_url": {"url": video.url}}, {"type": "text", "text": question}]
        messages = [{"role": "system", "content": system_prompt}, {"role": "user", "content": content}]
        pieces = self._call(
            self._api.chat.completions.create,
            model=self.model,
            messages=messages,
            temperature=0,
            seed=0,
            max_tokens=max_new_tokens,
            stream=True,
        )
        try:
            for piece in pieces:
                if piece.choices and piece.choices[0].delta.content:
                    yield piece.choices[0].delta.content
        except self._openai.OpenAIError as error:
            raise UserError(f"{self.url}: {_line(error)}") from None

    def _call(self, function: Callable[..., Any], **kwargs: Any) -> Any:
        try:
            return function(**kwargs)
        except self._openai.APIConnectionError:
            raise UserError(f"{self.url}: no server answers there; start one: scripts/serve.py CHECKPOINT") from None
        except self._openai.APIStatusError as error:
            if to := error.response.headers.get("location"):
                raise UserError(f"{self.url}: sends requests on to {to}: name that server if you trust it") from None
            raise UserError(f"{self.url}: {_line(error)}") from None
        except self._openai.OpenAIError as error:
            raise UserError(f"{self.url}: {_line(error)}") from None


def check_sendable(**texts: str) -> None:
    """Raises UserError naming the first text in which a server would read a control token."""
    for name, text in texts.items():
        if token := CONTROL_TOKEN.search(text):
            raise UserError(
                f"{name.replace('_', ' ')} {text!r}: {token[0]} would be a control token to a server;"
                " leave it out, or ask the checkpoint itself, where it is text: ask.py --checkpoint"
            )


def sent_file(video: str | Path) -> SentVideo:
    """A file as it is: the server samples it by its own reader. Raises FileNotFoundError, and ValueError for a pipe or a device."""
    if fault := file_fault(video):
        raise FileNotFoundError(2, fault, str(video)) if fault == "no such file" else ValueError(f"{video}: {fault}")
    return SentVideo(TYPES.get(Path(video).suffix.lower(), "video/mp4"), Path(video).read_bytes())


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:400]
