"""Mutated tables, CSV and JSON lines: each row is read as what it says, or refused in one line with file and line. No traceback,
no hang, no half an output. What it says is read here a second time, by Python's csv and json modules alone."""

import csv
import io
import json
import random
import re
import time
import unicodedata

import pytest

from roadtrain.cli import UserError
from roadtrain.data.convert import Rules
from roadtrain.data.question import UNGROUPED
from roadtrain.data.sources.base import Malformed
from support.conversion import convert_tree
from support.fuzzing import rounds
from support.mutations import (
    anything,
    bytes_changed,
    harmless,
    key_twice,
    misspelt,
    pairs,
    text_of,
    unreadable,
    window_key,
)

MUST_BE_REFUSED = (key_twice, misspelt, unreadable)
STRICT, SKIP = Rules(check="none"), Rules(check="none", on_bad_question="skip")
HEADER = ["id", "video", "type", "question", "a", "b", "c", "answer", "start", "end"]
ROWS = [
    ["q1", "a.mp4", "signs", "What colour?", "Red", "Green", "Blue", "B", "", ""],
    ["q2", "a.mp4", "signs", 'Which "sign", left?', "Stop", "Yield", "None, at all", "Stop", "1", "2.5"],
    ["q3", "b.mp4", "", "A: Hello.\nWho spoke?", "A man", "A child", "Nobody", "c", "0", ""],
]
NASTY = [
    "",
    " ",
    "x",
    "A",
    "us",
    "US",
    "Red",
    "1_0",
    "-1",
    "1e999",
    "9" * 400,
    "True",
    "nan",
    "a,b",
    'say "x"',
    "a\nb",
    "\u2028",
    "../x.mp4",
    "{x}",
    "<video>",
    "A: Red",
    "\x00",
    "é",
    "x" * 3000,
    "1,5",
    "Ａ",
    "<|im_end|>",
    "video",
    ";",
    "\t",
]
LINES = [
    {"id": "q1", "video": "a.mp4", "type": "signs", "question": "What?", "options": ["Red", "Green"], "answer": "B"},
    {
        "id": 2,
        "video": "a.mp4",
        "question": "A: Hi.\nWho?",
        "options": {"A": "He", "B": "She"},
        "answer": "he",
        "start": 1,
    },
    {
        "video": "b.mp4",
        "scenario": "s",
        "question": "How many?",
        "a": 5,
        "b": 7,
        "c": "many",
        "answer": 7,
        "end": "2.5",
    },
]


# ------------------------------------------------------------------------------------------------ how a table is mutated
def table_text(rows, separator) -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def cell(rng, rows):
    row = rng.choice([row for row in rows[1:] if row])
    row[rng.randrange(len(row))] = rng.choice(NASTY)


def shape(rng, rows):
    row = rng.choice(rows[1:])
    if row and rng.random() < 0.5:
        del row[rng.randrange(len(row))]
    else:
        row.insert(rng.randrange(len(row) + 1), rng.choice(NASTY))


def column(rng, rows):
    rows[0][rng.randrange(len(HEADER))] = rng.choice([*HEADER, *NASTY, "options", "remark", "begin", "answr", "Video"])


def row_twice(rng, rows):
    rows.append(list(rng.choice(rows[1:])))


def blank(rng, rows):
    rows.insert(rng.randrange(1, len(rows) + 1), rng.choice([[], [""] * len(HEADER)]))


def spoil(rng, text: str) -> bytes:
    data = bytearray(text.encode())
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            data[at:at] = rng.choice([b'"', b",", b"\n", b"\r", b"\xff", b"\x00", b";", b"\xef\xbb\xbf"])
        else:
            del data[at : at + rng.randint(1, 30)]
    return bytes(data)


# ------------------------------------------------------------------------------------------------ what it says
def plain_table(text: str, separator: str) -> list[dict[str, str]]:
    """{column: cell} of each row that isn't empty. Raises csv.Error."""
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True))
    while rows and not any(cell.strip() for cell in rows[0]):
        del rows[0]
    header = [name.strip().lower() for name in rows[0]]
    named = ({n: c.strip() for n, c in zip(header, cells, strict=False) if c.strip()} for cells in rows[1:])
    return [row for row in named if row]


def plain_lines(text: str) -> list[dict]:
    """The objects, without what is null. Fails where a key is there twice."""

    def unique(items):
        assert len({key for key, _ in items}) == len(items), "a key twice, and it was read"
        return {key: value for key, value in items if value is not None}

    if text.lstrip().startswith("["):
        return json.loads(text, object_pairs_hook=unique)
    return [json.loads(line, object_pairs_hook=unique) for line in text.split("\n") if line.strip()]


def says(row: dict) -> tuple:
    """(id, video, question, options, group, scenario, window, the answer as it is written)"""
    options = row.get("options", [row[name] for name in "abc" if name in row])
    if isinstance(options, str):
        options = options.split("|")
    if isinstance(options, dict):
        options = [options[key] for key in sorted(options)]
    assert not any(isinstance(words, bool | float) for words in options), "no words, and they were read"
    window = tuple(float(row[name]) if row.get(name) not in (None, "") else None for name in ("start", "end"))
    video, question = row["video"].strip(), row["question"].strip()
    group = str(row.get("type", "")).strip() or UNGROUPED
    scenario = str(row.get("scenario", "")).strip() or video
    words = tuple(str(words).strip() for words in options)
    return row.get("id"), video, question, words, group, scenario, window, str(row["answer"]).strip()


def agrees(entry: dict, row: dict) -> bool:
    """The answer by what it must be: a letter of an option, or that option's words."""
    name, *expected, answer = says(row)
    found = [entry["video"], entry["question"], tuple(entry["options"].values()), entry.get("group", UNGROUPED)]
    found += [entry["wts_id"], (entry.get("video_start"), entry.get("video_end"))]
    letter = entry["conversations"][1]["value"]
    words = entry["options"][letter].casefold()
    bare = re.sub(r"\W", "", unicodedata.normalize("NFKC", answer)).upper()  # `(b)`, `"B"`, the full-width letter
    means = bare == letter or answer.casefold() == words
    labelled = answer[:1].upper() == letter and answer.casefold().endswith(words)
    named = name is None or str(name).strip() in ("", entry["id"])
    return found == expected and (means or labelled) and named


# ------------------------------------------------------------------------------------------------ conversion
def converted(root, name: str, data: bytes, rules):
    """(entries, report, None) or (None, None, the line of the refusal)."""
    (root / name).write_bytes(data)
    began = time.process_time()
    try:
        entries, report = convert_tree(
            root, root / "out", source="mcq", files={"train": name, "val": name}, rules=rules
        )
        line = None
    except (Malformed, UserError) as error:
        entries, report, line = None, None, str(error)
        assert line.isprintable() and len(line) < 2000, "one line"
        assert str(root / name) in line, "it names the file"
        assert not list(root.glob("out/*")), "no output"
    assert time.process_time() - began < 5, "no hang"
    for output in root.glob("out/*"):
        output.unlink()
    return entries, report, line


def check(root, name: str, data: bytes, plain) -> bool:
    """Whether it is accepted. What is read says what `plain(text)` says; what is refused has a line, and with it left out the
    other rows say what they said."""
    entries, report, line = converted(root, name, data, STRICT)
    if line is None:
        rows = plain(data.decode("utf-8-sig"))
        assert len(entries) == len(rows), "rows went or came"
        assert all(map(agrees, entries, rows)), f"it says something else: {entries} {rows}"
        return True
    entries, report, again = converted(root, name, data, SKIP)
    if again is None:
        assert re.search(r": (line \d+|\[\d+\])", line), f"no line: {line}"
        assert report["splits"]["train"]["left_out"]["total"]
        try:
            rows = plain(data.decode("utf-8-sig"))
        except (ValueError, IndexError, AssertionError, csv.Error, RecursionError):
            return False  # a row that isn't whole: there is no second reading of the file
        left = iter([row for row in rows if isinstance(row, dict)])
        for entry in entries:
            assert any(agreeing(entry, row) for row in left), f"it says something else: {entry} {rows}"
    return False


def agreeing(entry: dict, row: dict) -> bool:
    try:
        return agrees(entry, row)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, AssertionError):
        return False  # of a row that was left out


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_each_mutation_is_read_as_what_it_says_or_refused_in_one_line(separator, tmp_path):
    accepted = refused = 0
    for seed in rounds(1.5):
        rng = random.Random(seed)
        order = rng.sample(range(len(HEADER)), len(HEADER)) if rng.random() < 0.5 else range(len(HEADER))
        rows = [[row[n] for n in order] for row in (HEADER, *ROWS)]
        mutations = [rng.choice((cell, cell, cell, shape, column, row_twice, blank)) for _ in range(rng.randint(0, 2))]
        for mutation in mutations:
            mutation(rng, rows)
        text = table_text(rows, separator)
        data = spoil(rng, text) if rng.random() < 0.2 else text.encode()
        try:
            is_accepted = check(tmp_path, "t.csv", data, lambda text: plain_table(text, separator))
            assert mutations or data != text.encode() or is_accepted, "what isn't mutated is read"
        except Exception as error:
            names = [mutation.__name__ for mutation in mutations]
            raise AssertionError(f"{type(error).__name__}: {error}: seed {seed}, {names}: {data[:2000]!r}") from error
        accepted, refused = accepted + is_accepted, refused + (not is_accepted)
    assert accepted and refused, "some can be read, some can't"


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_each_mutation_of_json_is_read_as_what_it_says_or_refused_in_one_line(name, tmp_path):
    accepted = refused = 0
    for seed in rounds(1.5):
        rng = random.Random(seed)
        mutation = rng.choice(
            (None, harmless, *MUST_BE_REFUSED, window_key, anything, anything, anything, bytes_changed)
        )
        value = pairs([line for line in LINES if mutation is not harmless or not isinstance(line.get("options"), dict)])
        if mutation not in (None, bytes_changed):
            value = mutation(rng, value)
        text = text_of(value) if name == "t.json" else "\n".join(map(text_of, value))
        data = bytes_changed(rng, text) if mutation is bytes_changed else text.encode()
        try:
            is_accepted = check(tmp_path, name, data, plain_lines)
            assert mutation not in (None, harmless) or is_accepted, "it says what it said"
            assert mutation not in MUST_BE_REFUSED or not is_accepted, "it must be refused"
        except Exception as error:
            kind = mutation.__name__ if mutation else "none"
            raise AssertionError(f"{type(error).__name__}: {error}: seed {seed}, {kind}: {data[:3000]!r}") from error
        accepted, refused = accepted + is_accepted, refused + (not is_accepted)
    assert accepted and refused, "some can be read, some can't"
