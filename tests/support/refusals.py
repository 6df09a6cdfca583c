"""Annotations that are converted in a test, and the one line by which they are refused."""

import pytest

from roadtrain.data.convert import Rules
from roadtrain.data.sources.base import Malformed
from support.annotations import write, wts_file
from support.conversion import convert_tree

SKIP = Rules(check="none", on_bad_question="skip")
TURNS = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "This."}]


def entry(**more) -> dict:
    return {"id": "a", "video": "v.mp4", "conversations": TURNS} | more


def llava(folder, value, name="t.json", **more):
    write(folder / name, value)
    return convert_tree(folder, folder / "out", source="llava", files={"train": name, "val": name}, **more)


def wts(folder, value, task="environment", **more):
    write(wts_file(folder, "train", "s1", task), value)
    return convert_tree(folder, folder / "out", tasks=(task,), **more)


def public_test(folder, value, **more):
    write(folder / "test.json", value)
    return convert_tree(folder, folder / "out", splits=("test",), files={"test": "test.json"}, **more)


def refused(call, *args, **more) -> str:
    with pytest.raises(Malformed) as caught:
        call(*args, **more)
    line = str(caught.value)
    assert line.isprintable() and not list(args[0].glob("out/*")), "one line, and no file"
    return line.removeprefix(caught.value.file + ": ")
