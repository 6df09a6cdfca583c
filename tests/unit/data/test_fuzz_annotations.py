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


class Pairs(list):
    """An object with every key that it has."""


class Raw(str):
    """JSON as it is written."""


def pairs(value):
    if isinstance(value, dict):
        return Pairs((key, pairs(item)) for key, item in value.items())
    return [pairs(item) for item in value] if isinstance(value, list) else value


def text_of(value) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{json.dumps(key)}: {text_of(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(text_of, value))}]"
    return json.dumps(value)


def nodes(value):
    """(container, place in it) of everything below."""
    for place, item in enumerate(value):
        item = item[1] if isinstance(value, Pairs) else item
        yield value, place
        if isinstance(item, list):
            yield from nodes(item)


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
ENVIRONMENT = [{"id": 7, "overhead_videos": VIDEOS, "environment": [mcq(), mcq("Ist es naß?", ("Ja", "Nein", 3), "c")]}]
PHASES = [{"id": 7, "overhead_videos": VIDEOS[:1], "event_phase": [phase(), phase("2.0", 4.25, "0"), phase(5, 6, 7)]}]
QUESTION = {key: value for key, value in mcq(id="q1").items() if key != "correct"}
TEST = [
    {"videos": ["a.mp4", "b.mp4"], "conversations": [QUESTION, QUESTION | {"id": 2}]},
    {"videos": ["a.mp4"], "event_phase": [phase(conversations=[QUESTION | {"id": "q3"}])]},
]
KINDS = {"llava": LLAVA, "lines": LLAVA, "environment": ENVIRONMENT, "overhead_view": PHASES, "test": TEST}
NASTY = [
    True,
    False,
    None,
    -1,
    0,
    1.5,
    10**30,
    1e308,
    "",
    " ",
    "True",
    "1_0",
    "1e999",
    "٣",
    "nan",
    "\x00",
    "\u2028",
    "a\nb",
]
NASTY += [
    "../x.mp4",
    "us",
    "US",
    "A",
    "<video>",
    "{x}",
    "é",
    "\U0001f600",
    [],
    [[]],
    {},
    {"a": 1},
    ["x", "x"],
    "x" * 3000,
]
REFUSED = [Raw("NaN"), Raw("-Infinity"), Raw("9" * 400), Raw("1e999"), Raw('"\\ud800"'), Raw("[" * 3000 + "]" * 3000)]


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


# ------------------------------------------------------------------------------------------------ mutations
def harmless(rng, value):
    """Another order of keys, keys of other people's, other white space, escapes."""
    for container in [value, *(item for c, n in list(nodes(value)) if isinstance(item := entry_at(c, n), Pairs))]:
        if isinstance(container, Pairs) and rng.random() < 0.5:
            container.insert(0, (rng.choice(["source", "metadata", "_note", "difficulty"]), rng.choice(["x", 1, None])))
            if container[1:] and not any(key in ("video", "videos", "image", "images") for key, _ in container):
                rng.shuffle(container)
    return value


def entry_at(container, n):
    return container[n][1] if isinstance(container, Pairs) else container[n]


def put(container, n, value):
    container[n] = (container[n][0], value) if isinstance(container, Pairs) else value


def key_twice(rng, value):
    container, n = rng.choice([(c, n) for c, n in nodes(value) if isinstance(c, Pairs)])
    container.insert(rng.randrange(len(container) + 1), (container[n][0], rng.choice([container[n][1], "x", 1])))
    return value


def misspelt(rng, value):
    """One letter more, less, exchanged, or of other case, in a key of more than three."""
    container, n = rng.choice([(c, n) for c, n in nodes(value) if isinstance(c, Pairs) and len(c[n][0]) > 3])
    key = container[n][0]
    at = rng.randrange(len(key) - 1)
    swapped = key[:at] + key[at + 1] + key[at] + key[at + 2 :]
    wrong = rng.choice([key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], swapped, key.upper(), key.title()])
    if wrong == key or wrong + "s" == key or key + "s" == wrong:  # video and videos are both keys
        wrong = key[:-1]
    if wrong in ("video", "image"):
        wrong = "vidoe"
    container[n] = (wrong, container[n][1])
    return value


def unreadable(rng, value):
    container, n = rng.choice(list(nodes(value)))
    put(container, n, rng.choice(REFUSED))
    return value


def window_key(rng, value):
    for item in value:
        item.append((rng.choice(["start", "end", "start_time", "window", "segment_end"]), rng.choice([1, "2", None])))
    return value


def anything(rng, value):
    """A few values changed, left out, moved, doubled."""
    for _ in range(rng.randint(1, 3)):
        places = list(nodes(value))
        if not places:
            return value
        container, n = rng.choice(places)
        action = rng.randrange(5)
        if action < 2:
            put(container, n, pairs(rng.choice(NASTY)))
        elif action == 2:
            del container[n]
        elif action == 3 and not isinstance(container, Pairs):
            container.append(entry_at(container, n))
        else:
            other, m = rng.choice(places)
            if m < len(other) and not isinstance(entry_at(other, m), list):
                put(container, n, entry_at(other, m))
    return value


MUST_BE_REFUSED = (key_twice, misspelt, unreadable, window_key)


def bytes_changed(rng, text: str) -> bytes:
    data = bytearray(text.encode())
    for _ in range(rng.randint(1, 3)):
        at, action = rng.randrange(len(data) or 1), rng.randrange(4)
        if action == 0:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif action == 1:
            data[at:at] = rng.choice([b'"', b"{", b"]", b",", b"\\", b"\xff", b"\x00", b"\xef\xbb\xbf", b"\n"])
        elif action == 2:
            del data[at : at + rng.randint(1, 20)]
        else:
            del data[at:]
    return bytes(data)


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
    began = time.monotonic()
    try:
        entries, report = convert_tree(root, root / "out", rules=rules, **arguments)
        line = None
    except (Malformed, UserError) as error:
        entries, report, line = None, None, str(error)
        assert line.isprintable() and len(line) < 2000, "one line"
        assert str(file) in line or "no questions: no annotation file" in line, "it names the file"
        assert not isinstance(error, Malformed) or error.expected
        assert not list(root.glob("out/*")), "no output"
    assert time.monotonic() - began < 5, "no hang"
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
