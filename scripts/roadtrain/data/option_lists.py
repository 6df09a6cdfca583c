"""The options of a question that came as prose: read once, where somebody else's LLaVA file enters.

    What is the weather?
    A: Clear
    B: Rainy

Lines `A: ..`, `B: ..`, one letter after the other from A, at least two of them. What we write ourselves carries its
options as data and is never read by this.
"""

import re

# The recipe surrounds every line break with blanks.
_OPTION = re.compile(r"^ ?([A-Z]): (.*?) ?$", re.MULTILINE)


def read_option_list(prompt: str) -> dict[str, str]:
    """{letter: text} of a prompt; empty when it has no list of options."""
    options = dict(_OPTION.findall(prompt))
    letters = [chr(ord("A") + n) for n in range(len(options))]
    return options if len(options) > 1 and list(options) == letters else {}


def first_line(prompt: str) -> str:
    """The question itself, where a prompt is all there is."""
    return prompt.strip().split("\n", 1)[0].strip()
