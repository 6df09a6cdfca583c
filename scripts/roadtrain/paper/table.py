"""A table of the paper, written as csv, Markdown and LaTeX (booktabs) with the same numbers."""

import csv
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roadtrain.files import write_text

NOTHING = "–"  # an empty cell, as people read it; csv leaves it empty
KINDS = ("csv", "md", "tex")
# Digits groups are for people: csv has 7733 where the others have 7,733.
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


@dataclass(frozen=True)
class Number:
    """A number and how many digits after the point are said everywhere."""

    value: float
    digits: int = 0
    signed: bool = False

    def __str__(self) -> str:
        return f"{self.value:{'+' if self.signed else ''},.{self.digits}f}"

    @property
    def plain(self) -> str:
        return str(self).replace(",", "")


Cell = str | Number | None


@dataclass(frozen=True)
class Column:
    key: str  # in the csv's first line
    title: str  # for people


@dataclass(frozen=True)
class Table:
    """`caption` is generated from the data; `notes` say what a reader could misread."""

    name: str  # of the files: t1_data
    title: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.name}: a row of {len(row)} cells in a table of {len(self.columns)} columns")

    def numeric(self, column: int) -> bool:
        """Whether a column is set flush right."""
        return any(isinstance(row[column], Number) for row in self.rows)

    def csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(column.key for column in self.columns)
        writer.writerows([_plain(cell) for cell in row] for row in self.rows)
        return out.getvalue()

    def md(self) -> str:
        head = [column.title for column in self.columns]
        rule = ["---:" if self.numeric(n) else ":---" for n in range(len(head))]
        lines = [f"**{self.title}.** {markdown_text(self.caption)}", "", _md_row(head), f"| {' | '.join(rule)} |"]
        lines += [_md_row([text(cell) for cell in row]) for row in self.rows]
        return "\n".join(lines + (["", markdown_text(self.notes)] if self.notes else [])) + "\n"

    def tex(self) -> str:
        align = "".join("r" if self.numeric(n) else "l" for n in range(len(self.columns)))
        body = [
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption{{{latex(self.caption)}}}",
            rf"\label{{tab:{self.name}}}",
        ]
        # A table that is wider than the line is shrunk to it (graphicx).
        body += [r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"]
        body += [r"\begin{tabular}{" + align + "}", r"\toprule"]
        body += [" & ".join(self._latex_head(n) for n in range(len(self.columns))) + r" \\", r"\midrule"]
        body += [" & ".join(latex(text(cell)) for cell in row) + r" \\" for row in self.rows]
        body += [r"\bottomrule", r"\end{tabular}}"]
        if self.notes:
            body += [rf"\par\smallskip\footnotesize {latex(self.notes)}"]
        return "\n".join([*body, r"\end{table}"]) + "\n"

    def _latex_head(self, column: int) -> str:
        """A long title in several lines: columns are as wide as their numbers, and the page holds more of them."""
        lines = [latex(line) for line in textwrap.wrap(self.columns[column].title, 10, break_long_words=False)]
        side = "r" if self.numeric(column) else "l"
        return lines[0] if len(lines) == 1 else rf"\shortstack[{side}]{{" + r" \\ ".join(lines) + "}"

    def write(self, directory: str | Path) -> None:
        for kind in KINDS:
            write_text(Path(directory) / f"{self.name}.{kind}", getattr(self, kind)())


def text(cell: Cell) -> str:
    """A cell as people read it."""
    return NOTHING if cell is None or cell == "" else str(cell)


def count(number: int, what: str) -> str:
    """1 video, 2 videos."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def latex(value: str) -> str:
    """Text with every character that LaTeX reads as a command escaped. Line breaks become blanks."""
    return "".join(_LATEX.get(c, c) for c in re.sub(r"\s+", " ", value))


def _plain(cell: Cell) -> str:
    if isinstance(cell, Number):
        return cell.plain
    # A spreadsheet runs a cell that starts so as a formula: names from the spec or the data could.
    value = "" if cell is None else str(cell)
    return f"'{value}" if value[:1] in ("=", "@", "\t") else value


def markdown_text(value: str) -> str:
    """Text with everything escaped that Markdown or HTML would read as markup. Line breaks become blanks."""
    value = re.sub(r"\s+", " ", value)
    value = re.sub(r"([\\`*_|\[\]])", r"\\\1", value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _md_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(markdown_text(cell) for cell in cells)} |"
