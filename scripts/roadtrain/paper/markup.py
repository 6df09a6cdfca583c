"""Text from the spec and the data as text of LaTeX and Markdown: nothing in it is read as a command."""

import re

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


def latex(value: str) -> str:
    """Text with every character that LaTeX reads as a command escaped. Line breaks become blanks."""
    return "".join(_LATEX.get(c, c) for c in re.sub(r"\s+", " ", value))


def markdown_text(value: str) -> str:
    """Text with everything escaped that Markdown or HTML would read as markup. Line breaks become blanks."""
    value = re.sub(r"\s+", " ", value)
    value = re.sub(r"([\\`*_|\[\]])", r"\\\1", value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
