"""Text that people wrote reaches the model as its characters: `<|im_end|>` in a question ends nothing.

A chat template puts control tokens and people's text into one string. So that they can be told apart there, people's
text is escaped before (a mark inside everything that looks like a control token), and the mark is taken out again when
the pieces between control tokens are encoded, by a tokenizer that knows no control tokens. Text without any gets the ids
that the model's own tokenizer gives to the whole: that splits at control tokens, too, before it does anything else.
"""

import copy
import re
from typing import Any

MARK = "\ue000"  # of Unicode's private use; where a text has it already, it is doubled


class PlainText:
    """Encodes conversations in which people's text is escaped. `backend`: a tokenizers.Tokenizer, which is left as it is.

    Tokens that are added but no control tokens (`<think>`, `<tool_call>`) stay tokens, wherever they stand: reasoning
    models are trained on answers with them.
    """

    def __init__(self, backend: Any) -> None:
        self.control = {str(t): id for id, t in backend.get_added_tokens_decoder().items() if t.special}
        # A copy: whether control tokens are read is a setting of the whole object, and other threads use the original.
        self._backend = copy.deepcopy(backend)
        self._backend.encode_special_tokens = True
        self._backend.no_truncation()
        self._backend.no_padding()
        names = "|".join(re.escape(name) for name in sorted(self.control, key=len, reverse=True)) or r"(?!)"
        self._name = re.compile(f"({names})")
        self._first_of_name = re.compile(f"(?=(?:{names}))(.)", re.DOTALL)  # names that overlap are found, too

    def escape(self, text: str) -> str:
        """Text in which nothing is a control token. A chat template may cut it, but sees no other text than before."""
        return self._first_of_name.sub(rf"\1{MARK}", text.replace(MARK, MARK * 2))

    def encode(self, conversation: str) -> list[int]:
        """Token ids of a template's output, or of escaped text."""
        ids: list[int] = []
        for number, piece in enumerate(self._name.split(conversation)):
            if number % 2:
                ids.append(self.control[piece])
            elif piece:
                ids += self._backend.encode(_unescaped(piece), add_special_tokens=False).ids
        return ids


def _unescaped(text: str) -> str:
    """An odd number of marks is a text's own ones, doubled, and one that escapes."""
    return re.sub(f"{MARK}+", lambda marks: MARK * (len(marks[0]) // 2), text) if MARK in text else text
