"""Clips, questions and look-ups as token arrays of fixed shape.

*Clips*: one prefix of token ids for all of them (system, user, video with timestamps) and for each clip K slots
of S tokens; a slot sees the prefix and itself, as in the project's shared-video sequences. A slot is a question
with its answer or, first, a caption: all that there is to know in 7 tokens an item, so that the vision tower learns
from 17 answers a clip. *Rows*: causal conversations without a picture.
"""

import random
from dataclasses import dataclass, field

import torch

from . import lookups, words
from .tokenizer import SYSTEM, TAIL
from .world import ATTRIBUTES, BY_NAME, FRAMES, Names, mirrored, names, place, third

PREFIX, ROW = 168, 384  # tokens: padded prefix, one text row
SLOT, CAPTION = 80, 144  # tokens: one question with its answer; one caption
IGNORE = -100
# (frames, height, width): what a video setting may give; frames are taken evenly out of the clip's 16.
BUCKETS = (
    (8, 96, 160),
    (8, 96, 160),
    (16, 64, 128),
    (8, 96, 160),
    (8, 96, 192),
    (8, 96, 192),
    (10, 96, 160),
    (12, 96, 160),
    (4, 96, 160),
    (6, 128, 160),
    (12, 96, 128),
    (8, 64, 96),
)


class Encoder:
    """Token ids of pieces of text, remembered; and the pieces every prompt consists of."""

    def __init__(self, tokenizer):
        self.tokenizer, self.cache = tokenizer, {}
        self.pad = tokenizer.pad_token_id
        self.system = self(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n")
        self.user, self.newline = self("<|im_start|>user\n"), self("\n")
        self.reply, self.end = self("<|im_end|>\n<|im_start|>assistant\n"), self("<|im_end|>")
        self.tail = self(f" \n \n{TAIL}")
        self.letters = [self(f" \n {letter}:") for letter in "ABCD"]

    def __call__(self, text: str) -> list[int]:
        ids = self.cache.get(text)
        if ids is None:
            ids = self.tokenizer(text, add_special_tokens=False).input_ids
            if len(self.cache) < 300_000:
                self.cache[text] = ids
        return ids

    def choices(self, options: list[str]) -> list[int]:
        """Ids of lookups.options_text(options), questions of remembered pieces."""
        return [
            i for letter, option in zip(self.letters, options, strict=False) for i in (*letter, *self(" " + option))
        ]

    def video(self, stamps: list[str], tokens: int) -> list[int]:
        """The prefix of a video of len(stamps) frame pairs of `tokens` tokens each, as transformers 5.17 writes it."""
        pairs = "".join(f"<{stamp}><|vision_start|>{'<|video_pad|>' * tokens}<|vision_end|>" for stamp in stamps)
        return self.system + self.user + self(f"<|vision_start|>{pairs}<|vision_end|>")


def timestamps(frames: int, seconds: float) -> list[str]:
    """One stamp a frame pair: the mean of the times of `frames` frames spread evenly over `seconds`."""
    times = [seconds * i / (frames - 1) for i in range(frames)]
    return [f"{(times[i] + times[i + 1]) / 2:.1f} seconds" for i in range(0, frames, 2)]


def frame_indices(frames: int) -> list[int]:
    """Which of the clip's 16 rendered frames a bucket of `frames` frames takes."""
    return [round(i * (FRAMES - 1) / (frames - 1)) for i in range(frames)]


@dataclass
class ClipBatch:
    """B clips with K slots of S tokens. `at` are the flat positions in (B, K, S) that predict `target`."""

    bucket: tuple[int, int, int]
    prefix: list[int]
    clips: list[int]
    slots: torch.Tensor  # (B, K, S)
    at: torch.Tensor
    target: torch.Tensor
    letter_at: list[int] = field(default_factory=list)  # flat position that predicts the letter, by question
    letter: list[int] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    mirrored: list[bool] = field(default_factory=list)  # by clip; empty: none is
    attributes: torch.Tensor | None = None  # (B, attributes): their values, -100 where not asked


class ClipQuestions:
    """Draws questions about clips, each clip's in one of the `languages`, and writes them into slots.

    attributes: by number of clip. mirror: share of the clips that are shown, and asked about, mirrored.
    """

    def __init__(self, encoder: Encoder, attributes, mirror: float = 0.0):
        self.encode, self.attributes, self.mirror, self.languages = encoder, attributes, mirror, [0]

    def _mirrored(self, rng: random.Random, clips: list[int]) -> tuple[list[bool], list[dict], torch.Tensor]:
        """(which are mirrored, attributes of every clip as it is shown, the same as the guide wants them)."""
        mirrors = [rng.random() < self.mirror for _ in clips]
        pictures = [
            mirrored(self.attributes[i]) if mirror else self.attributes[i]
            for i, mirror in zip(clips, mirrors, strict=False)
        ]
        values = [[clip[a.name] if a.valid(clip) else -100 for a in ATTRIBUTES] for clip in pictures]
        return mirrors, pictures, torch.tensor(values)

    def draw(self, clip: dict, names: Names, count: int, stamps: list[str], rng: random.Random) -> list[tuple]:
        """`count` of (name, attribute, answer, question) about a clip, drawn by weight."""
        valid = [a for a in ATTRIBUTES if a.valid(clip)]
        questions = []
        for a in rng.choices(valid, [a.weight for a in valid], k=count):
            if a.name in ("start", "finish") and rng.random() < 0.5 and (moment := self.at_time(clip, stamps, rng)):
                stamp, answer = moment
                questions.append(("at time", BY_NAME["start"], answer, names.time_question(stamp, rng)))
            else:
                questions.append((a.name, a, clip[a.name], names.question(a, rng)))
        return questions

    def at_time(self, clip: dict, stamps: list[str], rng: random.Random) -> tuple[str, int] | None:
        """(stamp of a frame pair, third of the picture where the figure is then), or None where that is unclear."""
        pair = rng.randrange(len(stamps))
        at = place(clip, (2 * pair + 0.5) / (2 * len(stamps) - 1))
        return None if min(abs(at - 1 / 3), abs(at - 2 / 3)) < 0.04 else (stamps[pair], third(at))

    def _prefix(self, rng: random.Random, bucket) -> tuple[list[str], list[int]]:
        frames, height, width = bucket
        stamps = timestamps(frames, round(rng.uniform(3, 12), 1))
        return stamps, self.encode.video(stamps, height * width // 1024)

    def batch(self, rng: random.Random, bucket, clips: list[int], count: int, tail: float) -> ClipBatch:
        """Letter questions. tail: share of them that end with the recipe's sentence (where there is room)."""
        stamps, prefix = self._prefix(rng, bucket)
        slots = torch.full((len(clips), count, SLOT), self.encode.pad, dtype=torch.int16)
        mirrors, pictures, values = self._mirrored(rng, clips)
        out = ClipBatch(bucket, prefix, clips, slots, None, None, mirrored=mirrors, attributes=values)
        at, target = [], []
        for b, clip in enumerate(pictures):
            language = names(rng.choice(self.languages))
            for k, (name, attribute, answer, question) in enumerate(self.draw(clip, language, count, stamps, rng)):
                ids, letter = self._slot(rng, language, attribute, answer, question, tail)
                base = (b * count + k) * SLOT + len(ids) - 1
                slots[b, k, : len(ids) + 2] = torch.tensor([*ids, letter, *self.encode.end], dtype=torch.int16)
                at += [base, base + 1]
                target += [letter, *self.encode.end]
                out.letter_at.append(base)
                out.letter.append(letter)
                out.name.append(name)
        out.at, out.target = torch.tensor(at), torch.tensor(target)
        return out

    def _slot(self, rng, names: Names, attribute, answer, question, tail) -> tuple[list[int], int]:
        """(ids up to the answer, the letter's id). What is too long loses the sentence, then wrong options."""
        encode, style = self.encode, words.draw_style(rng)
        end = encode.tail + encode.reply if rng.random() < tail else encode.reply
        for most in (4, 4, 3, 2):
            options, right = names.options(attribute, answer, rng, most)
            ids = encode(question) + encode.choices([style(option) for option in options]) + end
            if len(ids) <= SLOT - 2:
                return ids, encode("ABCD"[right])[0]
            end = encode.reply
        raise ValueError(f"no room for: {question}")

    def captions(self, rng: random.Random, bucket, clips: list[int]) -> ClipBatch:
        """One slot a clip: the attributes in random order as " noun value." with a loss on the values."""
        encode = self.encode
        stamps, prefix = self._prefix(rng, bucket)
        slots = torch.full((len(clips), 1, CAPTION), encode.pad, dtype=torch.int16)
        mirrors, pictures, values = self._mirrored(rng, clips)
        at, target = [], []
        for b, clip in enumerate(pictures):
            language = names(rng.choice(self.languages))
            items = [language.item(a, clip[a.name], rng) for a in ATTRIBUTES if a.valid(clip)]
            for _ in range(2):
                if moment := self.at_time(clip, stamps, rng):
                    items.append((f"at <{moment[0]}>", language.values["start"][moment[1]][0]))
            rng.shuffle(items)
            ids = encode("What is there?") + encode.reply
            for noun, value in items:
                noun, value = encode(" " + noun), encode(" " + value.capitalize())
                if len(ids) + len(noun) + len(value) + 1 > CAPTION:
                    break
                ids = ids + noun
                at += range(b * CAPTION + len(ids) - 1, b * CAPTION + len(ids) - 1 + len(value))
                target += value
                ids = ids + value + encode(".")
            slots[b, 0, : len(ids)] = torch.tensor(ids, dtype=torch.int16)
        return ClipBatch(
            bucket, prefix, clips, slots, torch.tensor(at), torch.tensor(target), mirrored=mirrors, attributes=values
        )


@dataclass
class RowBatch:
    """R causal rows of ROW tokens; `at` are flat positions in (R, ROW) that predict `target`."""

    ids: torch.Tensor
    at: torch.Tensor
    target: torch.Tensor


class TextRows:
    """Draws look-ups and facts and fills rows with them."""

    def __init__(self, encoder: Encoder):
        self.encode = encoder

    def batch(self, rng: random.Random, count: int, vocabulary: list[str], simple: bool, dense: float) -> RowBatch:
        """dense: share of rows that are plain look-ups; the others are facts."""
        ids = torch.full((count, ROW), self.encode.pad, dtype=torch.int16)
        at, target = [], []
        for row in range(count):
            turns = []
            while len(turns) < 30:
                turns += (
                    lookups.dense(rng, vocabulary, simple)
                    if rng.random() < dense
                    else lookups.facts(rng, vocabulary, simple, 0.3)
                )
            tokens, marks = self.conversation(turns)
            ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.int16)
            for start, reply in marks:
                at += range(row * ROW + start - 1, row * ROW + start - 1 + len(reply))
                target += reply
        return RowBatch(ids, torch.tensor(at), torch.tensor(target))

    def conversation(self, turns: list[tuple[str, str]]) -> tuple[list[int], list[tuple[int, list[int]]]]:
        """Token ids of as many whole turns as fit in a row, and (start, ids) of every answer."""
        encode = self.encode
        tokens, marks = list(encode.system), []
        for question, answer in turns:
            ask = encode.user + encode.tokenizer(question, add_special_tokens=False).input_ids + encode.reply
            reply = encode(answer) + encode.end
            if len(tokens) + len(ask) + len(reply) + 1 > ROW:
                break
            marks.append((len(tokens) + len(ask), reply))
            tokens += ask + reply + encode.newline
        return tokens, marks
