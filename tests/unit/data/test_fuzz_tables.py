"""Mutated tables: each row is read as what it says, or refused in one line with file and line. No traceback, no hang, no half an
output. What it says is read here a second time, by Python's csv module alone."""

import csv
import io
import random
import re
import time
import unicodedata

import pytest

from roadtrain.cli import UserError
from roadtrain.data.convert import Rules
from roadtrain.data.sources.base import Malformed
from support.conversion import convert_tree
from support.fuzzing import rounds

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
]
NASTY += [
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


def text_of(rows, separator) -> str:
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


def says(text: str, separator: str) -> list[tuple]:
    """(id, video, question, options, the answer as it is written, window) of each row that isn't empty."""
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True))
    header = [name.strip().lower() for name in rows[0]]
    result = []
    for cells in rows[1:]:
        row = {name: value.strip() for name, value in zip(header, cells, strict=False) if value.strip()}
        if row:
            options = tuple(row[name] for name in "abc" if name in row)
            window = tuple(float(row[name]) if name in row else None for name in ("start", "end"))
            result.append((row.get("id"), row["video"], row["question"], options, row["answer"], *window))
    return result


def read(entries) -> list[tuple]:
    return [
        (e["id"], e["video"], e["question"], tuple(e["options"].values()), e["conversations"][1]["value"])
        + (e.get("video_start"), e.get("video_end"))
        for e in entries
    ]


def agrees(entry: tuple, said: tuple) -> bool:
    """The answer by what it must be: a letter of an option, or that option's words."""
    *fields, letter, start, end = entry
    *expected, answer, said_start, said_end = said
    options = dict(zip("ABC", fields[3], strict=False))
    bare = re.sub(r"\W", "", unicodedata.normalize("NFKC", answer)).upper()  # `(b)`, `"B"`, the full-width letter
    means = bare == letter or answer.casefold() == options[letter].casefold()
    labelled = answer[:1].upper() == letter and answer.casefold().endswith(options[letter].casefold())
    return (fields[1:], start, end) == (expected[1:], said_start, said_end) and (means or labelled)


def converted(root, text: bytes, rules):
    (root / "t.csv").write_bytes(text)
    began = time.monotonic()
    try:
        entries, report = convert_tree(
            root, root / "out", source="mcq", files={"train": "t.csv", "val": "t.csv"}, rules=rules
        )
        line = None
    except (Malformed, UserError) as error:
        entries, report, line = None, None, str(error)
        assert line.isprintable() and len(line) < 2000, "one line"
        assert "t.csv" in line or "no questions" in line, "it names the file"
        assert not list(root.glob("out/*")), "no output"
    assert time.monotonic() - began < 5, "no hang"
    for output in root.glob("out/*"):
        output.unlink()
    return entries, report, line


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_each_mutation_is_read_as_what_it_says_or_refused_in_one_line(separator, tmp_path):
    accepted = refused = 0
    for seed in rounds(1.5):
        rng = random.Random(seed)
        rows = [list(HEADER), *map(list, ROWS)]
        mutations = [rng.choice((cell, cell, cell, shape, column, row_twice, blank)) for _ in range(rng.randint(0, 2))]
        for mutation in mutations:
            mutation(rng, rows)
        text = text_of(rows, separator)
        data = spoil(rng, text) if rng.random() < 0.2 else text.encode()
        name = f"seed {seed}, {[m.__name__ for m in mutations]}: {data[:2000]!r}"
        try:
            entries, report, line = converted(tmp_path, data, STRICT)
            assert mutations or data != text.encode() or line is None, line
            if line is not None:
                refused += 1
                _, report, line = converted(tmp_path, data, SKIP)
                assert line is not None or report["splits"]["train"]["left_out"]["total"]
                continue
            accepted += 1
            expected = says(data.decode("utf-8-sig"), separator)
            assert len(entries) == len(expected), "rows went or came"
            assert all(map(agrees, read(entries), expected)), f"it says something else: {read(entries)} {expected}"
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}: {name}") from error
    assert accepted and refused, "some can be read, some can't"
