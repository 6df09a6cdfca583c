"""People's text in terminals, JSON lines, Markdown and LaTeX: nothing in it is read as a command, and nothing hides.

What steers a terminal, turns the direction of writing, breaks a line where only some programs see a break, or is
invisible, is written as Python and JSON write it: \\x1b, \\u202e, \\u2028. Joiners of scripts and emoji stay.
HTML is quoted by Jinja's autoescape, values in launch manifests by roadtrain.deploy.quoting, TOML by render_toml.py.
"""

import base64
import hashlib
import json
import re
from typing import Any

# Controls of ASCII and Latin-1, the soft hyphen, direction marks and overrides, line and paragraph separators, invisible
# operators, the byte order mark, lone surrogates, tags. Not U+200C and U+200D: Persian, Hindi and emoji are written with them.
_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f"
)
_ANY_UNSEEN = re.compile(f"[{_UNSEEN}]")
_UNSEEN_IN_LINES = re.compile(rf"(?![\n\t])[{_UNSEEN}]")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "×": r"$\times$",
    "−": r"$-$",
    "≥": r"$\geq$",
}


def visible(text: str) -> str:
    """Text for a terminal or a page, in which line breaks (\\n) and tabs are meant."""
    return _UNSEEN_IN_LINES.sub(_escaped, text)


def visible_line(text: str) -> str:
    """The same in one line."""
    return _ANY_UNSEEN.sub(_escaped, text)


def json_line(value: Any) -> str:
    """JSON in one line, whatever the reader takes for a line break, with the line break at its end."""
    return _ANY_UNSEEN.sub(_escaped_in_json, json.dumps(value, ensure_ascii=False)) + "\n"


def _escaped(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode()


def _escaped_in_json(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]


def latex(value: str) -> str:
    """Text with every character that LaTeX reads as a command escaped. Line breaks become blanks."""
    return "".join(_LATEX.get(c, c) for c in _in_one_line(value))


def markdown_text(value: str) -> str:
    """Text with everything escaped that Markdown or HTML would read as markup, wherever it stands: in a line, at its
    beginning, in a table's cell. Line breaks become blanks."""
    value = re.sub(r"([\\`*_|\[\]~$])", r"\\\1", _in_one_line(value))
    value = re.sub(r"^( *)([#+=-]|\d+[.)])", _escaped_beginning, value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _in_one_line(value: str) -> str:
    return visible_line(re.sub(r"\s+", " ", value))


def _escaped_beginning(match: re.Match[str]) -> str:
    """What begins a heading, a list or a rule: `#`, `-`, `1.`"""
    return f"{match[1]}{match[2][:-1]}\\{match[2][-1]}"


def csp_hash(content: str) -> str:
    """What a content security policy calls this very text: the browser runs no other script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def quantity(number: int, noun: str) -> str:
    """1 video, 2,000 videos"""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
