"""Asking a checkpoint every question of a split: what the engines share, so that their outputs have one shape.

An engine gets the videos that are still to be asked and yields the replies of one video after the other. Everything
else is here: which videos, what was finished before a kill, rows in the conversations' order, what they were computed
from. A shard i/n asks every n-th video, beginning with the i-th; scripts/merge_predictions.py puts shards together.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from roadtrain.data.llava import Entry, group_by_clip, read_entries
from roadtrain.evaluate import answers
from roadtrain.files import read_json, sha256_file, sha256_json, write_json, write_text
from roadtrain.frames.index import ClipKey, FrameIndex
from roadtrain.model.checkpoints import present, software
from roadtrain.spec.arguments import add_section
from roadtrain.spec.evaluate import Evaluate


@dataclass(frozen=True)
class Reply:
    """What a checkpoint said to one question."""

    response: str | None  # None: it could not be asked
    probabilities: dict[str, float] | None = None  # of the option letters, where the answer begins; None: no options


Replies = dict[str, Reply]  # of one video, by question id
# (arguments, checkpoint's manifest, frames, {clip: its questions}) -> replies of one clip after the other
Engine = Callable[[argparse.Namespace, dict, FrameIndex, dict[ClipKey, list[Entry]]], Iterator["Replies | CannotAsk"]]


class CannotAsk(ValueError):
    """A video that this checkpoint can't be asked about (too long, ..): its questions stay unanswered."""


def shard(value: str) -> tuple[int, int]:
    """`2/4` -> (2, 4)."""
    try:
        number, count = map(int, value.split("/"))
    except ValueError:
        number, count = 0, 0
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"{value}: should be i/n with i from 1 to n, as 1/4")
    return number, count


def evaluation_parser(description: str) -> argparse.ArgumentParser:
    """The arguments that every engine takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="manifest of the checkpoint")
    parser.add_argument("--llava", required=True, help="the questions")
    parser.add_argument("--frames", required=True, help="index of their frames")
    parser.add_argument("--system-prompt", required=True)
    add_section(parser, "evaluate", Evaluate)
    parser.add_argument(
        "--shard", type=shard, default=(1, 1), metavar="I/N", help="ask every N-th video, beginning with the I-th"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (%(default)s)")
    parser.add_argument("--predictions", required=True, type=Path)
    parser.add_argument("--source", required=True, help="what the predictions were computed from")
    return parser


def evaluate(args: argparse.Namespace, name: str, packages: tuple[str, ...], engine: Engine) -> None:
    """Write the predictions and their source. Raises ValueError when there is no question, or no video could be asked."""
    manifest, frames = read_json(args.checkpoint), FrameIndex.load(args.frames)
    present(manifest)
    source: dict[str, Any] = {
        "checkpoint": manifest["checkpoint"],
        "checkpoint_sha256": manifest["sha256"],
        "model": manifest["base_model"],
        "precision": manifest["precision"],
        "vision": frames.vision,
        "llava_sha256": sha256_file(args.llava),
        "frames_sha256": sha256_file(args.frames),
        "system_prompt": args.system_prompt,
        "max_new_tokens": args.evaluate.max_new_tokens,
        "answers": args.evaluate.answers,
        "engine": name,
        "software": software(*packages),
    }
    number, count = args.shard
    if count > 1:
        source["shard"] = f"{number}/{count}"
    groups = group_by_clip(read_entries(args.llava))
    if not groups:
        raise ValueError(f"{args.llava}: no questions")
    clips = dict(list(groups.items())[number - 1 :: count])
    if not clips:
        raise ValueError(f"{args.llava}: {len(groups)} videos are too few for {count} shards")
    finished = Finished(args.predictions, sha256_json(source))
    replies, failed = dict(finished.replies), {}
    todo = {}
    for clip, entries in clips.items():
        if clip not in frames:
            failed[clip] = frames.reason(clip)
        elif not all(entry.id in replies for entry in entries):
            todo[clip] = entries
    if todo:
        made = tqdm(
            engine(args, manifest, frames, todo),
            total=len(todo),
            unit="video",
            desc=f"evaluate {manifest['checkpoint']}",
        )
        for new, clip in zip(made, todo, strict=True):
            if isinstance(new, CannotAsk):
                failed[clip] = str(new)
                print(f"{clip[0]}: {new}: its questions are unanswered", file=sys.stderr)
            else:
                finished.add(new)
                replies |= new
    rows = [prediction(entry, replies.get(entry.id, Reply(None))) for entries in clips.values() for entry in entries]
    unanswered = [{"video": clip[0], "reason": reason} for clip, reason in failed.items()]
    if count == 1:  # a small shard may have bad luck
        refuse_silence(rows, unanswered, args.llava)
    save(args.predictions, args.source, rows, source, unanswered, args.llava)
    finished.path.unlink(missing_ok=True)  # the job of a killed Snakemake may have ended meanwhile


def refuse_silence(rows: list[dict], unanswered: list[dict], llava: str) -> None:
    """Raises ValueError when not one question could be asked: that is no accuracy of 0."""
    if unanswered and all(row["response"] is None for row in rows):
        raise ValueError(
            f"{llava}: no video could be asked about (first: {unanswered[0]['video']}: {unanswered[0]['reason']})"
        )


def save(
    predictions: Path, source_file: str | Path, rows: list[dict], source: dict, unanswered: list[dict], llava: str
) -> None:
    """Rows in the conversations' order, whatever order they were made in."""
    row_of = {row["id"]: row for row in rows}
    ordered = [row_of[entry.id] for entry in read_entries(llava) if entry.id in row_of]
    write_text(predictions, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ordered))
    unanswered = sorted(unanswered, key=lambda one: (one["video"], one["reason"]))
    write_json(source_file, source | {"unanswered_videos": unanswered})


def prediction(entry: Entry, reply: Reply) -> dict:
    """One line of the predictions, keys in the contract's order."""
    options, response = entry.options, reply.response
    answer = answers.parse(response, options) if response is not None else None
    return {
        "id": entry.id,
        "video": entry.video,
        "scenario": entry.scenario,
        "question": entry.question,
        "options": options,
        "prompt": entry.asked,
        "response": response,
        "answer": answer,
        "correct": entry.answer,
        "is_correct": answer == entry.answer,
        "probabilities": reply.probabilities,
    }


def letter_tokens(tokenizer: Any, options: dict[str, str]) -> list[int]:
    """Token id of each option's letter, as an answer begins with it. Raises ValueError when a letter is no token."""
    ids = [tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in options]
    for letter, tokens in zip(options, ids):
        if len(tokens) != 1:
            raise ValueError(
                f"the tokenizer writes the letter {letter} as {len(tokens)} tokens: no letter probabilities"
            )
    return [tokens[0] for tokens in ids]


def letter_probabilities(letters: list[str], logits: list[float]) -> dict[str, float] | None:
    """Softmax over the letters alone; `logits` may be log-probabilities. Rounded: engines differ in the last digits."""
    import numpy as np

    if not letters:
        return None
    weights = np.exp(np.asarray(logits, dtype=float) - max(logits))
    return {letter: round(float(share), 5) for letter, share in zip(letters, weights / weights.sum())}


class Finished:
    """Replies of finished videos, kept beside the predictions until these are whole."""

    def __init__(self, predictions: Path, key: str):
        self.path, self.replies = predictions.with_name(f".{predictions.name}.finished"), {}
        predictions.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1] if self.path.exists() else []
        if lines and lines[0] == key:
            for line in lines[1:]:
                try:
                    self.replies |= {id: Reply(**reply) for id, reply in json.loads(line).items()}
                except (json.JSONDecodeError, TypeError, AttributeError):  # the line that a kill cut in half
                    break
        write_text(self.path, f"{key}\n{self._line(self.replies)}")

    def add(self, replies: Replies) -> None:
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(self._line(replies))

    @staticmethod
    def _line(replies: Replies) -> str:
        return json.dumps({id: asdict(reply) for id, reply in replies.items()}) + "\n"
