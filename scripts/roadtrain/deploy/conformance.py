"""Does a server show the model what training showed it? What can be known of that from outside: the number of the prompt's tokens, the
tokens themselves where the server says them (vLLM's return_token_ids), what it makes of a text alone (/tokenize), and the
probabilities of its answers, each against the same checkpoint here.

Which frames the model got, at which size, and their pixels can't be seen from outside. Another number of tokens is another size or
another number of frames; the same tokens have the same times in them; other pixels show as other probabilities, and not always.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from roadtrain.data.question import Question
from roadtrain.deploy.ask import clip_of_files, server_video
from roadtrain.deploy.client import Client, SentVideo, check_sendable
from roadtrain.deploy.serving import CheckpointSetting
from roadtrain.deploy.transport import Refusal
from roadtrain.evaluate.asking import Asker
from roadtrain.frames.alone import Reading
from roadtrain.workers import JobLimits


class WayReport(TypedDict):
    """One video, sent in one way. None: the server doesn't say."""

    video: str
    sent: str  # file, frames
    equal: bool  # nothing that could be compared differs
    tokens: int  # of the prompt here
    server_tokens: int | None
    same_tokens: bool | None  # the prompt's tokens one by one
    times: list[str]  # in the prompt here
    server_times: list[str] | None
    probabilities: dict[str, float] | None  # of the letters here
    server_probabilities: dict[str, float] | None
    difference: float | None  # the largest of two probabilities
    refused: NotRequired[str]  # instead of all this


@dataclass(frozen=True)
class Truth:
    """What a checkpoint sees and says here."""

    ids: list[int]
    times: list[str]
    probabilities: dict[str, float] | None


@dataclass(frozen=True)
class Comparing:
    """What is compared, and when it differs."""

    question: Question
    ways: Sequence[str]  # file, frames
    tolerance: float  # of a probability
    limits: JobLimits


def text_is_the_same(client: Client, asker: Asker, question: Question, system_prompt: str) -> bool | None:
    """Whether the server's tokenizer and chat template make the same tokens of a conversation without media. None: it has no /tokenize."""
    messages = [{"role": "system", "content": system_prompt}, {"role": "user", "content": question.prompt}]
    try:
        tokens = client.tokenize(messages)
    except Refusal:
        return None
    processor = asker.prompter.processor
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return bool(tokens == processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def compare_server(
    client: Client, setting: CheckpointSetting, asker: Asker, videos: Sequence[str | Path], comparing: Comparing
) -> list[WayReport]:
    """Every video in every way. Raises UserError when the server doesn't answer, ValueError for a video that can't be read."""
    check_sendable(question=comparing.question.prompt, system_prompt=setting.system_prompt)
    reports = []
    for video in videos:
        truth = truth_of(setting, asker, video, comparing)
        for way in comparing.ways:
            vision = setting.vision if way == "frames" else None
            sent = server_video(video, vision, Reading(setting.reader, comparing.limits))
            reports.append(_compare(client, setting, sent, truth, comparing, str(video), way, asker.times_in))
    return reports


def truth_of(setting: CheckpointSetting, asker: Asker, video: str | Path, comparing: Comparing) -> Truth:
    """The video decoded here, as for training."""
    clip = clip_of_files(setting, [video], comparing.limits)
    prefix, segment = asker.prompter.prefix(clip), asker.prompter.segment(comparing.question)
    ids = prefix.input_ids.tolist() + segment.prompt_ids
    (reply,) = asker.ask(clip, [comparing.question], 1)
    return Truth(ids, asker.times_in(ids), reply.probabilities)


def _compare(
    client: Client,
    setting: CheckpointSetting,
    sent: SentVideo,
    truth: Truth,
    comparing: Comparing,
    video: str,
    way: str,
    times_in: Callable[[Sequence[int]], list[str]],
) -> WayReport:
    report: WayReport = {
        "video": video,
        "sent": way,
        "equal": False,
        "tokens": len(truth.ids),
        "server_tokens": None,
        "same_tokens": None,
        "times": truth.times,
        "server_times": None,
        "probabilities": truth.probabilities,
        "server_probabilities": None,
        "difference": None,
    }
    content = [sent.part, {"type": "text", "text": comparing.question.prompt}]
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": setting.system_prompt},
        {"role": "user", "content": content},
    ]
    try:
        answer = client.inspect(messages)
    except Refusal as refusal:
        return {**report, "refused": str(refusal)}
    report["server_tokens"] = answer.prompt_tokens
    if answer.prompt_ids is not None:
        report["same_tokens"], report["server_times"] = answer.prompt_ids == truth.ids, times_in(answer.prompt_ids)
    shares = answer.first_token.probabilities(tuple(comparing.question.options))
    if shares and truth.probabilities:
        report["server_probabilities"] = shares
        report["difference"] = max(abs(share - truth.probabilities[letter]) for letter, share in shares.items())
    return {**report, "equal": _is_equal(report, comparing.tolerance)}


def _is_equal(report: WayReport, tolerance: float) -> bool:
    """Something was compared, and none of it differs."""
    tokens, difference = report["server_tokens"], report["difference"]
    return (
        tokens == report["tokens"]
        and report["same_tokens"] is not False
        and (difference is None or difference <= tolerance)
    )


def report_in_words(report: WayReport) -> str:
    """One line."""
    if "refused" in report:
        return f"refused: {report['refused']}"
    if report["server_tokens"] is None:
        return "the server doesn't say how many tokens its prompt has: nothing to compare"
    if report["server_tokens"] != report["tokens"]:
        words = f"{report['server_tokens']} tokens, {report['tokens']} in training: another size or number of frames"
    elif report["same_tokens"] is None:
        words = f"{report['tokens']} tokens, as in training"
    elif report["same_tokens"]:
        words = f"the {report['tokens']} tokens of training"
    else:
        words = f"{report['tokens']} tokens as in training, and others among them"
    if report["server_times"] is not None and report["server_times"] != report["times"]:
        words += f"; times {', '.join(report['server_times'])} s, {', '.join(report['times'])} s in training"
    if report["difference"] is None:
        return f"{words}; no probabilities to compare"
    return f"{words}; probabilities differ by {report['difference']:.4f} at most"
