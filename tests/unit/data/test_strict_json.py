"""JSON that could be read in two ways, or that fails later, is refused where it is read."""

import json

import pytest

from roadtrain.data.sources.annotation_files import read_value
from roadtrain.data.sources.base import Malformed
from roadtrain.data.strict_json import strict_json


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
