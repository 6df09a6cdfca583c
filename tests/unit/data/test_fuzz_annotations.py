"""Mutated annotations: each is read as what it says, or refused in one line with file and place. No traceback, no hang, no
half an output. What it says is read here a second time, plainly, from JSON in which no key is lost."""

import json
import random
import time

import pytest

from roadtrain.cli import UserError
from roadtrain.data.convert import Rules
from roadtrain.data.sources.base import Malformed
from support.annotations import mcq, phase, write, wts_file
from support.conversion import convert_tree
from support.fuzzing import rounds
from support.mutations import MUST_BE_REFUSED, anything, bytes_changed, harmless, pairs, text_of


# ------------------------------------------------------------------------------------------------ what is mutated
def turns(*texts):
    return [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


LIST = "<video>\nWhat colour?\nA. Red\nB. Green"
LLAVA = [
    {"id": "e1", "video": "a.mp4", "video_start": 1, "video_end": "2.5", "conversations": turns(LIST, "B")},
    {"id": 2, "videos": ["b.mp4"], "scenario": "s", "type": "t", "conversations": turns("Say.", "It.", "And?", "So.")},
    {"image": "p.png", "options": ["Red", "Green"], "question": "Which?", "conversations": turns("Red or Green?", "A")},
]
VIDEOS = ["s1_Camera1_0.mp4", "s1_Camera2_1.mp4"]
ENVIRONMENT = [{"id": 7, "overhead_videos": VIDEOS, "environment": [mcq(), mcq("道路, naß?", ("Ja", "Nein", 3), "c")]}]
PHASES = [{"id": 7, "overhead_videos": VIDEOS[:1], "event_phase": [phase(), phase("2.0", 4.25, "0"), phase(5, 6, 7)]}]
QUESTION = {key: value for key, value in mcq(id="q1").items() if key != "correct"}
TEST = [
    {"videos": ["a.mp4", "b.mp4"], "conversations": [QUESTION, QUESTION | {"id": 2}]},
    {"videos": ["a.mp4"], "event_phase": [phase(conversations=[QUESTION | {"id": "q3"}])]},
]
KINDS = {"llava": LLAVA, "lines": LLAVA, "environment": ENVIRONMENT, "overhead_view": PHASES, "test": TEST}


def place(root, kind, text):
    """Write an annotation file; the arguments of its conversion."""
    if kind in ("llava", "lines"):
        name = "t.json" if kind == "llava" else "t.jsonl"
        return write(root / name, text), {"source": "llava", "files": {"train": name, "val": name}}
    if kind == "test":
        return write(root / "t.json", text), {"splits": ("test",), "files": {"test": "t.json"}}
    return write(wts_file(root, "train", "s1", kind), text), {"tasks": (kind,)}


def written(kind, value) -> str:
    return "\n".join(map(text_of, value)) if kind == "lines" and isinstance(value, list) else text_of(value)


# ------------------------------------------------------------------------------------------------ what it says
def plain(text: bytes, kind: str):
    """The file's value. Raises ValueError where a key is there twice, or it isn't JSON."""

    def unique(items):
        assert len({key for key, _ in items}) == len(items), "a key twice, and it was read"
        return dict(items)

    lines = text.decode("utf-8-sig")
    if kind == "lines" and not lines.lstrip().startswith("["):
        return [json.loads(line, object_pairs_hook=unique) for line in lines.split("\n") if line.strip()]
    return json.loads(lines, object_pairs_hook=unique)


def listed_names(value):
    return [value] if isinstance(value, str) else value


def question_of(row, window=()):
    options = {key.upper(): str(row[key]) for key in "abcd" if key in row}
    assert not any(isinstance(row[key], bool | float) for key in "abcd" if key in row)
    return row["question"].strip(), options, row.get("correct", "").strip().upper(), *window


def says(value, kind) -> list:
    """What each entry should say, from the plain value."""
    result = []
    if kind in ("llava", "lines"):
        for item in value:
            names = [name for key in item if key[:5] in ("video", "image") and key.rstrip("s") in ("video", "image") for name in listed_names(item[key])]  # fmt: skip
            times = [None if item.get(key) in (None, "") else float(item[key]) for key in ("video_start", "video_end")]
            values = [turn["value"] for turn in item["conversations"]]
            options = item.get("options")
            options = dict(zip("ABCD", options, strict=False)) if isinstance(options, list) else options
            result.append((item.get("id"), options, sorted(names), *times, values[1::2]))
        return result
    for record in value if isinstance(value, list) else [value]:
        keys = [key for key in ("video_name", "videos", "overhead_videos", "vehicle_view") if key in record]
        rows = [(question_of(row)) for row in record.get("environment", record.get("conversations", []))]
        for part in record.get("event_phase", []):
            window = (float(part["start_time"]), float(part["end_time"]))
            rows += [question_of(row, window) for row in part["conversations"]]
        result += [(name, *row) for name in listed_names(record[keys[0]]) for row in rows]
    return sorted(result, key=str)


def read(entries, kind) -> list:
    """The same of what was written."""
    if kind in ("llava", "lines"):
        result = []
        for entry in entries:
            names = [name for key in ("video", "image") if key in entry for name in listed_names(entry[key])]
            values = [turn["value"] for turn in entry["conversations"]]
            window = (entry.get("video_start"), entry.get("video_end"))
            result.append((entry["id"], entry["options"], sorted(names), *window, values[1::2]))
        return result
    return sorted(
        (
            (
                entry["video"].rsplit("/", 1)[-1],
                entry["question"],
                entry["options"],
                entry["conversations"][1]["value"] if len(entry["conversations"]) > 1 else "",
                *([entry["video_start"], entry["video_end"]] if "video_start" in entry else []),
            )
            for entry in entries
        ),
        key=str,
    )


def same(found, expected, kind) -> bool:
    if kind not in ("llava", "lines"):
        expected = [(*row[:3], "" if kind == "test" else row[3], *row[4:]) for row in expected]
        return found == sorted(expected, key=str)
    return len(found) == len(expected) and all(
        b[0] in (None, "", a[0], int(a[0]) if a[0].isdecimal() else "") and b[1] in (None, a[1]) and a[2:] == b[2:]
        for a, b in zip(found, expected, strict=True)
    )


def converted(root, kind, text, rules):
    """(entries, report, None) or (None, None, the line of the refusal)."""
    file, arguments = place(root, kind, text)
    began = time.process_time()
    try:
        entries, report = convert_tree(root, root / "out", rules=rules, **arguments)
        line = None
    except (Malformed, UserError) as error:
        entries, report, line = None, None, str(error)
        assert line.isprintable() and len(line) < 2000, "one line"
        assert str(file) in line or "no questions: no annotation file" in line, "it names the file"
        assert not isinstance(error, Malformed) or error.expected
        assert not list(root.glob("out/*")), "no output"
    assert time.process_time() - began < 5, "no hang"
    for output in root.glob("out/*"):
        json.loads(output.read_bytes().decode())
        output.unlink()
    return entries, report, line


STRICT, SKIP = Rules(check="none"), Rules(check="none", on_bad_question="skip")


@pytest.mark.parametrize("kind", KINDS)
def test_each_mutation_is_read_as_what_it_says_or_refused_in_one_line(kind, tmp_path):
    base = KINDS[kind]
    expected = says(json.loads(json.dumps(base)), kind)
    entries, _, line = converted(tmp_path, kind, written(kind, pairs(base)), STRICT)
    assert line is None and same(read(entries, kind), expected, kind), "the file that is mutated"
    accepted = 0
    for seed in rounds(1.5):
        rng = random.Random(seed)
        mutation = rng.choice((harmless, *MUST_BE_REFUSED, anything, anything, anything, None))
        value = pairs(json.loads(json.dumps(base)))
        text = written(kind, mutation(rng, value) if mutation else value).encode()
        if mutation is None:
            text = bytes_changed(rng, text.decode())
        name = f"seed {seed}, {mutation.__name__ if mutation else 'bytes'}: {text[:3000]!r}"
        try:
            entries, report, line = converted(tmp_path, kind, text, STRICT)
            if mutation is harmless:
                assert line is None and same(read(entries, kind), expected, kind), line
            assert mutation not in MUST_BE_REFUSED or line is not None, "it must be refused"
            if line is None:
                accepted += 1
                assert same(read(entries, kind), says(plain(text, kind), kind), kind), "it says something else"
            else:
                _, report, line = converted(tmp_path, kind, text, SKIP)
                assert line is not None or report["splits"]["test" if kind == "test" else "train"]["left_out"]["total"]
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}: {name}") from error
    assert accepted, "some say what can be read"
