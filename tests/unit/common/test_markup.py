"""People's text where programs and people read it: nothing is a command, nothing hides, every line is one."""

import json
import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from roadtrain.files import markdown_table
from roadtrain.markup import json_line, latex, markdown_text, visible, visible_line

MARKS = [
    "\x1b[2J",
    "\x9b31m",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\r",
    "\n",
    "\t",
    "\x00",
    "\ufeff",
    "\ud800",
]
MARKS += [
    "# ",
    "- ",
    "1. ",
    "+ ",
    "=",
    "|",
    "\\",
    "`",
    "```",
    "**",
    "_",
    "~~",
    "$x$",
    "[a](b)",
    "![",
    "<b>",
    "<!--",
    "&lt;",
]
MARKS += [
    "--",
    "---",
    ">",
    "*",
    "http://a",
    "(",
    ")",
    "%",
    "{",
    "}",
    r"\input{x}",
    "^",
    "&",
    "\U000e0041",
    "a",
    " ",
    "  ",
]
TEXTS = st.lists(st.one_of(st.text(max_size=5), st.sampled_from(MARKS)), max_size=8).map("".join)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text: str) -> str:
    """What a reader sees of it in one line: white space is a blank."""
    return visible_line(re.sub(r"\s+", " ", text)).strip()


@given(TEXTS)
def test_nothing_steers_a_terminal_and_nothing_hides(text):
    for shown_text, kept in ((visible(text), "\n\t"), (visible_line(text), "")):
        assert not [c for c in shown_text if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in kept]
        bidi = [
            c
            for c in shown_text
            if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        ]
        assert not bidi


def test_texts_of_every_script_stay_as_they_are():
    for text in ("道路は濡れていますか？", "की सड़क", "می‌خواهم", "👩‍🚒🏴", "طريق", "Straße 5 % <b> \\ {x}"):
        assert visible(text) == visible_line(text) == text


@given(TEXTS)
def test_a_line_of_json_is_one_line_for_every_reader(text):
    line = json_line({"a": text, text: [1.5, None]})
    assert len(line.splitlines()) == 1 and line.endswith("\n") and visible_line(line[:-1]) == line[:-1]
    assert json.loads(line) == {"a": text, text: [1.5, None]}


def test_a_line_of_json_is_what_json_writes_where_nothing_hides():
    row = {"q": 'Is "it" wet?\n\t\\ 道路 é', "n": [0.1, True, None]}
    assert json_line(row) == json.dumps(row, ensure_ascii=False) + "\n"


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("---")
@example("1. a")
@example("# a")
@example("> a")
@example("a\n===")
def test_markdown_is_the_text_wherever_it_stands(text):
    """In a paragraph of its own, in a list, in a cell: what is rendered is text alone, and all of it."""
    quoted = markdown_text(text)
    if not shown(text):
        return
    for source in (quoted, f"- {quoted}", markdown_table(["a", quoted], [[quoted, quoted]])):
        tokens = MARKDOWN.parse(source + "\n")
        inline = [token for token in tokens if token.type == "inline"]
        kinds = {token.type for token in tokens} - {"inline", "paragraph_open", "paragraph_close"}
        assert all(
            kind.startswith(("bullet_list", "list_item", "table", "thead", "tbody", "tr_", "th_", "td_"))
            for kind in kinds
        )
        assert {child.type for token in inline for child in token.children} <= {"text", "text_special", "softbreak"}
        seen = ["".join(child.content for child in token.children).strip() for token in inline]
        expected = {"- ": [shown(text)], "| ": ["a", shown(text), shown(text), shown(text)]}
        assert seen == expected.get(source[:2] if source != quoted else "", [shown(text)])


@given(TEXTS)
def test_latex_has_no_command_but_those_that_write_a_character(text):
    quoted = latex(text)
    known = r"\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}|\\textless\{\}|\\textgreater\{\}|\\[{}$&#%_]|\$\\(?:times|geq)\$|\$-\$"
    rest = re.sub(known, "", quoted)
    assert not set(rest) & set("\\{}$&#%_~^") and len(quoted.splitlines()) <= 1


@pytest.mark.parametrize("message", ["\x1b]0;title\x07", "a\x9b2Jb", "\u202egnp.exe"])
def test_a_program_that_ends_with_a_users_text_prints_no_command(message, capsys):
    from roadtrain import cli

    @cli.main
    def program() -> None:
        raise cli.UserError(f"clip {message}.mp4: no such file")

    @cli.main
    def other() -> None:
        raise FileNotFoundError(2, "no such file", message)

    for run in (program, other):
        with pytest.raises(SystemExit) as ended:
            run()
        assert visible_line(str(ended.value)) == str(ended.value) and "\\" in str(ended.value)
