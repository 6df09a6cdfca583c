"""A value of the spec in YAML is the same value when a YAML reader has read it."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from roadtrain.deploy.quoting import compose_dollars, yaml_text

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)))  # half surrogate pairs are refused where a spec is read


@given(ANY_TEXT)
@example("🚗")
@example("\\🚗\\ud83d")
@example("\x00\x1b[0m\x85\u2028\ufeff\U0010ffff")
def test_any_text_is_read_as_it_was_written(text):
    line = yaml_text(text)
    assert line.isascii() and line.isprintable()
    assert yaml.safe_load(line) == text and yaml.safe_load(f"a: [{line}]\nb: {line}\n") == {"a": [text], "b": text}


@pytest.mark.parametrize("text", ["yes", "null", "1.0", "010", "~", "", " ", "- a", "a: b", "#", "{{ x }}", "1:30"])
def test_what_yaml_reads_as_something_else_stays_text(text):
    assert yaml.safe_load(yaml_text(text)) == text


@given(ANY_TEXT)
def test_compose_gets_its_dollars_back(text):
    """Compose replaces $$ by $ after it has read the YAML."""
    assert yaml.safe_load(yaml_text(compose_dollars(text))).replace("$$", "$") == text
