"""What is sent to a server is what a server reads as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.cli import UserError
from roadtrain.deploy.client import check_sendable
from support import tiny


@pytest.mark.parametrize("token", sorted(tiny.processor_control()))
def test_a_text_with_a_control_token_is_refused_in_one_line(token):
    for texts in ({"question": f"Is {token} on it?"}, {"question": "Q", "system_prompt": f"\n{token}"}):
        with pytest.raises(UserError) as caught:
            check_sendable(**texts)
        assert token in str(caught.value) and "\n" not in str(caught.value)
        assert str(caught.value).startswith("system prompt" if "system_prompt" in texts else "question")


@given(st.text())
def test_every_other_text_is_sent(text):
    if not any(token in text for token in tiny.processor_control()):
        check_sendable(question=text, system_prompt="a < b | c > d <video>")
