"""Mutations of bytes, of tables and of JSON: what is asked is consistent with itself, and the rows beside it are asked as they were."""

import json
import random

import pytest

from roadtrain.cli import UserError
from roadtrain.data.convert import Rules
from roadtrain.data.llava import read_questions
from roadtrain.data.sources.base import Malformed
from support.annotations import write
from support.conversion import convert_tree
from support.fuzzing import rounds

COLUMNS = ("video", "question", "options", "answer", "start", "end", "id", "type")
ROWS = [
    ("a/v.mp4", "Is it wet?", "Yes|No", "No", "1.5", "2", "q1", "weather"),
    ("w.mp4", "Which, of two?", "A van|A car|A bus", "b", "", "", "", ""),
    ("w.mp4", 'Is the "box"; red?', "us|them", "us", "0", "", "q3", "colour"),
]
PIECES = ["\0", "\ufeff", '"', "'", "\n", "\r", ",", ";", "\t", "|", "A: ", "\nB: x", "\\", "{", "}", "[", "]", "null", "true", "1_0", "NaN",
    "9" * 400, "1e400", "\\ud800", "\u2028", "\x1b[2J", "../", "A", "B", "ﬀ", "🚗", "no|yes", "answer", "options", '"a": "x", '
]  # fmt: skip


def csv_text(rng: random.Random) -> str:
    separator = rng.choice(",;\t")
    rows = [[f'"{cell.replace(chr(34), 2 * chr(34))}"' for cell in row] for row in (COLUMNS, *ROWS)]
    return rng.choice(["\n", "\r\n"]).join(separator.join(row) for row in rows) + "\n"


def json_text(rng: random.Random) -> str:
    values = [{name: cell for name, cell in zip(COLUMNS, row, strict=True) if cell} for row in ROWS]
    return json.dumps(values) if rng.random() < 0.5 else "".join(json.dumps(value) + "\n" for value in values)


def mutated(text: str, rng: random.Random) -> str | bytes:
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 0, 0, 1, 1, 5, 40]))
        piece = rng.choice([*PIECES, "", "", text[rng.randrange(len(text) + 1) :][: rng.randint(1, 30)]])
        text = text[:start] + piece + text[end:] or " "
    encoding = rng.choice(["utf-8"] * 6 + ["utf-16", "latin-1"])
    data = text.encode(encoding, "replace")
    if rng.random() < 0.1:
        place = rng.randrange(len(data))
        data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    return data


def questions(root, content, name, rules):
    """{(video, question, options, right words, window, group)} that a table asks."""
    write(root / name, content)
    convert_tree(root, root / "out", rules=rules, source="mcq", files={"train": name, "val": name})
    return [
        (q.video, q.text, q.options, q.options[q.correct], q.clip.first.start, q.group, q.prompt)
        for q in read_questions(root / "out/train.json")
    ]


def test_the_tables_say_the_same_before_they_are_mutated(tmp_path):
    rng = random.Random(0)
    texts = [("t.csv", csv_text(rng)) for _ in range(9)] + [("t.json", json_text(rng)) for _ in range(4)]
    meanings = [questions(tmp_path, text, name, Rules(check="none")) for name, text in texts]
    assert all(meaning == meanings[0] for meaning in meanings)
    assert [right for _, _, _, right, *_ in meanings[0]] == ["No", "A car", "us"]
    assert [group for *_, group, _ in meanings[0]] == ["weather", "ungrouped", "colour"]


@pytest.mark.parametrize("on_bad_question", ["fail", "skip"])
def test_a_mutated_table_keeps_its_meaning_or_is_refused_in_one_line(on_bad_question, tmp_path):
    """Whatever is asked is consistent with itself: what is right is one of the options, which the prompt shows all."""
    refusals = accepted = 0
    for seed in rounds(2):
        rng = random.Random(f"{seed}")
        name, text = ("t.csv", csv_text(rng)) if rng.random() < 0.6 else ("t.json", json_text(rng))
        content = mutated(text, rng)
        try:
            meaning = questions(tmp_path, content, name, Rules(check="none", on_bad_question=on_bad_question))
        except (ValueError, UserError) as error:  # Malformed, or all questions were left out
            line = str(error)
            assert "\n" not in line and str(tmp_path / name) in line, (seed, content, line)
            assert on_bad_question == "skip" or isinstance(error, Malformed), (seed, content, line)
            assert len(line) < 2500 and line.encode(), (seed, content)
            refusals += 1
            continue
        accepted += 1
        for video, question, options, right, start, group, prompt in meaning:
            assert right in options.values() and len({o.casefold() for o in options.values()}) == len(options) > 1, seed
            assert question in prompt and all(f"{k}: {v}" in prompt for k, v in options.items()), (seed, content)
            assert video and group and (start is None or 0 <= start <= 1e6), (seed, content)
    assert refusals and accepted


def test_a_mutated_row_changes_no_other_row(tmp_path):
    """With on_bad_question: skip the rows beside it are asked as they were."""
    rules = Rules(check="none", on_bad_question="skip")
    whole = questions(tmp_path, csv_text(random.Random(1)), "t.csv", rules)
    for seed in rounds(1):
        rng = random.Random(seed)
        lines = csv_text(rng).splitlines(keepends=True)
        middle = lines[2].rstrip("\r\n")
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(middle))
            middle = (
                middle[:place] + rng.choice(['"', ",", ";", "|", "\0", "x", ""]) + middle[place + rng.randint(0, 2) :]
            )
        text = "".join([*lines[:2], middle + "\n", *lines[3:]])
        meaning = questions(tmp_path, text, "t.csv", rules)
        assert meaning[0] == whole[0] and meaning[-1] == whole[-1] and len(meaning) <= 3, (seed, text)
