"""A table of the paper, written as csv, Markdown and LaTeX (booktabs) with the same numbers."""

import csv
import io
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadtrain.files import markdown_table, write_text
from roadtrain.markup import latex, markdown_text, visible_line
from roadtrain.paper.contents import TABLE_KINDS, TABLES, label
from roadtrain.results.words import digits

NOTHING = "–"  # an empty cell, as people read it; csv leaves it empty


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
        """Without groups of digits, which are for people: csv has 7733 where the others have 7,733."""
        return str(self).replace(",", "")


Cell = str | Number | None


def in_percent(share: float, signed: bool = False) -> Number:
    """A share in percent, or (signed) a difference of two in percentage points."""
    return Number(share * 100, digits(share), signed)


def number_or_none(value: float | None, digits: int = 0) -> Number | None:
    """A cell for a value that may be missing."""
    return None if value is None else Number(value, digits)


@dataclass(frozen=True)
class Column:
    """A column's names: for programs and for people."""

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

    @classmethod
    def from_records(
        cls,
        name: str,
        caption: str,
        columns: Sequence[Column],
        records: Iterable[Mapping[str, Cell]],
        notes: str = "",
    ) -> "Table":
        """A table of the paper's contents. Records are by column key; what one lacks is an empty cell.

        Raises ValueError for a key that is no column.
        """
        keys = [column.key for column in columns]
        rows = []
        for record in records:
            if unknown := [key for key in record if key not in keys]:
                raise ValueError(f"{name}: {unknown[0]} is no column")
            rows.append([record.get(key) for key in keys])
        return cls(name, f"{label(name)} {TABLES[name]}", caption, columns, rows, notes)

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
        head = [markdown_text(column.title) for column in self.columns]
        rows = [[markdown_text(cell_text(cell)) for cell in row] for row in self.rows]
        table = markdown_table(head, rows, [self.numeric(n) for n in range(len(head))])
        notes = f"\n{markdown_text(self.notes)}\n" if self.notes else ""
        return f"**{self.title}.** {markdown_text(self.caption)}\n\n{table}{notes}"

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
        body += [_latex_row(row) for row in self.rows]
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
        for kind in TABLE_KINDS:
            write_text(Path(directory) / f"{self.name}.{kind}", getattr(self, kind)())


def _latex_row(cells: Sequence[Cell]) -> str:
    """A bracket or a star that begins a row would be an option of the line break before it."""
    row = " & ".join(latex(cell_text(cell)) for cell in cells)
    return ("{}" if row[:1] in ("[", "*") else "") + row + r" \\"


def cell_text(cell: Cell) -> str:
    """A cell as people read it."""
    return NOTHING if cell is None or cell == "" else str(cell)


def _plain(cell: Cell) -> str:
    if isinstance(cell, Number):
        return cell.plain
    # A spreadsheet runs a cell that starts so as a formula: names from the spec or the data could.
    value = "" if cell is None else visible_line(cell)
    return f"'{value}" if re.match(r"[=@]|[+-](?![\d.,]*$)", value) else value
