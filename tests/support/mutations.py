"""JSON that is changed at random, with what Python's own values can't hold: a key twice, NaN, half a surrogate pair."""

import json


class Pairs(list):
    """An object with every key that it has."""


class Raw(str):
    """JSON as it is written."""


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
