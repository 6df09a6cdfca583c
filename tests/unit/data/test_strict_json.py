"""JSON that could be read in two ways, or that fails later, is refused where it is read."""

import json

import pytest

from roadtrain.data.llava import read_questions
from roadtrain.data.sources.annotation_files import read_value
from roadtrain.data.sources.base import Malformed
from roadtrain.data.strict_json import read_rows, strict_json


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"answer": "A", "answer": "B"}', "key 'answer' is there twice; write it once"),
        ('[{"a": {"b": 1, "c": 2, "b": 1}}]', "key 'b' is there twice; write it once"),
        ('{"\\u0061": 1, "a": 2}', "key 'a' is there twice; write it once"),
        ('{"\\ud800": 1, "\\ud800": 2}', "key '\\ud800' is there twice; write it once"),
        ('{"x": NaN}', "NaN is not JSON; write null or a number"),
        ("[-Infinity]", "-Infinity is not JSON; write null or a number"),
        ('{"x": ' + "9" * 400 + "}", "a number of 400 digits; at most 40 are read"),
        ('{"x": -' + "9" * 5000 + "}", "a number of 5000 digits; at most 40 are read"),
        ("[1e400]", "the number '1e400' is too large"),
        ('{"x": ["\\ud800"]}', "'\\ud800' holds half of a surrogate pair, which is no character"),
        ('{"\\udc00": 1}', "'\\udc00' holds half of a surrogate pair, which is no character"),
        ("[" * 101 + "]" * 101, "nested over 100 levels"),
        ("[" * 100_000 + "]" * 100_000, "nested over 100 levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested over 100 levels"),
        ("", "not valid JSON: Expecting value: column 1"),
        ('{"a": 1,\n "b": }', "not valid JSON: Expecting value: line 2, column 7"),
        ("{} {}", "not valid JSON: Extra data: column 4"),
        ("\u00a0{}", "not valid JSON: Expecting value: column 1"),
    ],
)
def test_what_json_leaves_open_is_refused_in_one_line(text, problem):
    with pytest.raises(ValueError) as error:
        strict_json(text)
    assert str(error.value) == problem


@pytest.mark.parametrize(
    "text",
    [
        ' \n{"a": [1, -2.5e3, true, null, "\\u4f60\\ud83d\\ude00"], "A": {}} \r\n',
        "9" * 40,
        "[" * 100 + "]" * 100,
        '"a surrogate pair is a character: \\ud83d\\ude00"',
    ],
)
def test_all_else_is_read_as_json_reads_it(text):
    assert strict_json(text) == json.loads(text)


@pytest.mark.parametrize("rest", ["", "oops", '"b": 1A}', "[" * 100_000])
def test_a_key_that_is_there_twice_before_text_that_is_no_json_is_one_line(rest):
    with pytest.raises(Malformed) as error:
        read_value('[{"a": 1, "a": 2}, ' + rest, "t.json", "line 1")
    assert str(error.value) == "t.json: line 1: not valid JSON: key 'a' is there twice; write it once"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "a", "id": "b"}', "key 'id' is there twice; write it once"),
        (b'{"id": NaN}', "NaN is not JSON; write null or a number"),
        (b'{"id": "\\ud800"}', "'\\ud800' holds half of a surrogate pair, which is no character"),
        (b'{"id": "\xff"}', "not UTF-8 text: invalid start byte"),
        (b'\xef\xbb\xbf{"id": 1}', "not valid JSON: Expecting value: column 1"),  # a mark in the middle of a file
        (b"[1]", "expected an object, found list"),
        (b"", "not valid JSON: Expecting value: column 1"),
    ],
)
def test_rows_say_one_thing(line, problem, tmp_path):
    """As predictions do, and a training log."""
    (tmp_path / "p.jsonl").write_bytes(b'{"id": 1}\n' + line + b"\n")
    with pytest.raises(ValueError) as error:
        list(read_rows(tmp_path / "p.jsonl"))
    assert str(error.value) == f"{tmp_path / 'p.jsonl'}: line 2: {problem}"


def test_a_mark_at_the_beginning_of_rows_means_nothing(tmp_path):
    (tmp_path / "p.jsonl").write_bytes(b'\xef\xbb\xbf{"id": 1}\n')
    assert list(read_rows(tmp_path / "p.jsonl")) == [(1, {"id": 1})]


ENTRY = '{"id": "a", "video": "v.mp4", "video": "w.mp4", "conversations": []}'


@pytest.mark.parametrize(
    ("text", "place"), [(f"[\n{ENTRY}\n]\n", "key"), (f"[{ENTRY}]", "key"), (f"[\n{{}},\n{ENTRY}\n]\n", "line 3: key")]
)
def test_conversations_that_say_two_things_are_refused(text, place, tmp_path):
    (tmp_path / "t.json").write_text(text.replace("{}", ENTRY.replace('"v.mp4", "video": ', "").replace("[]", GOOD)))
    with pytest.raises(ValueError, match=r"key 'video' is there twice; write it once$") as error:
        list(read_questions(tmp_path / "t.json"))
    assert str(error.value).startswith(f"{tmp_path / 't.json'}: {place}")


GOOD = '[{"from": "human", "value": "What?"}, {"from": "gpt", "value": "This."}]'
