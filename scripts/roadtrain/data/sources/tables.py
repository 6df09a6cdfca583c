"""Rows of a table as text: CSV as programs write it, and what spreadsheets save.

The separator is a comma, a semicolon or a tab, as the header says; the text UTF-8, or UTF-16 with its mark (Excel's "Unicode
text"); a line `sep=;` before the header, blank rows and empty cells at the end of a row mean nothing. A row that isn't whole
is a Malformed of its own, and the next is read as if nothing had been: a quote that isn't closed swallows no row. Where the
next begins is then guessed, so a line after it that could be the rest of a field is left out with it, never read as a row.
"""

import codecs
import csv
import re
from collections.abc import Collection, Iterator
from typing import TextIO

from roadtrain.data.sources.annotation_files import regular_file
from roadtrain.data.sources.base import Malformed, describe_value

SEPARATORS = (",", ";", "\t")
_SEPARATOR_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_LONGEST_LINE = 1 << 22  # characters
_REMEDY = "save it as text: CSV UTF-8"
_ESCAPED = re.compile("[\ud800-\udfff]")  # bytes that aren't UTF-8, as they are read here
_FILE_NAME = re.compile(r"[^\s\"]+\.[A-Za-z0-9]{2,5}")

Row = tuple[str, dict[str, str] | Malformed]


def read_table(file: str, needed: Collection[str]) -> tuple[str, list[str], Iterator[Row]]:
    """(the header's line, columns, rows) of a table whose header has the columns `needed`. A column's name is in small
    letters, "" where it has none; a row is (line, {column: text}, without what is empty), or (line, what is wrong with it).

    Raises Malformed where there is no such header, or where it isn't text; FileNotFoundError when there is no such file.
    """
    lines = _Lines(_open(file), file)
    first = lines.header()
    path = f"line {lines.number}"
    separator, header = _separator(first, needed, file, path)
    return path, header, _rows(lines, header, separator)


def _open(file: str) -> TextIO:
    """A file's text; bytes that aren't UTF-8 are escaped: whose line they are in is then known."""
    regular_file(file)
    with open(file, "rb") as stream:
        start = stream.read(4)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Malformed(file, "", f"an Excel workbook or an archive, not text; {_REMEDY}")
    is_wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding, errors = ("utf-16", "surrogatepass") if is_wide else ("utf-8-sig", "surrogateescape")
    return open(file, encoding=encoding, errors=errors, newline="")


class _Lines:
    """Lines for csv.reader, which remember what the row at hand is made of."""

    def __init__(self, stream: TextIO, file: str) -> None:
        self.stream, self.file = stream, file
        self.number = 0  # of the last line that was handed out
        self.row: list[str] = []  # lines of the row at hand
        self.again: list[str] = []  # to be handed out once more, the next one last
        self.doubtful = 0  # the last line of a row whose quotes are wrong

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.row.append(line)
        return line

    def _read(self) -> str:
        if self.stream.closed:  # at its end
            return ""
        try:
            line = self.stream.readline(_LONGEST_LINE)
        except UnicodeDecodeError as error:  # of UTF-16 only
            raise Malformed(
                self.file, f"line {self.number + 1}", f"not UTF-16 text: {error.reason}; {_REMEDY}"
            ) from None
        if len(line) == _LONGEST_LINE:
            problem = f"a line of over {_LONGEST_LINE:,} characters"
            raise Malformed(self.file, f"line {self.number + 1}", problem)
        if not line:
            self.stream.close()
        return line

    def header(self) -> str:
        """The first line that says something. Raises Malformed when there is none, or when it isn't text."""
        for line in self:
            if "\0" in line:
                raise Malformed(self.file, f"line {self.number}", f"holds NUL characters: not text; {_REMEDY}")
            if _ESCAPED.search(line):
                raise Malformed(self.file, f"line {self.number}", f"not UTF-8 text; {_REMEDY}")
            if line.strip() and not re.fullmatch(r"sep=.", line.strip(" \r\n")):
                return line
        raise Malformed(self.file, "", "the file is empty; expected a header")

    @property
    def start(self) -> int:
        """Of the row at hand, its first line's number."""
        return self.number - len(self.row) + 1

    def step_back(self, kept: int) -> None:
        """Hand out once more the lines at hand, but for so many that are the row's own."""
        self.doubtful = max(self.doubtful, self.number)
        self.again += self.row[: kept - 1 : -1]
        self.number -= len(self.row) - kept
        del self.row[kept:]


def _separator(line: str, needed: Collection[str], file: str, path: str) -> tuple[str, list[str]]:
    """What separates the header's names, and the names."""
    headers: dict[str, list[str]] = {}
    problem = ""
    for separator in SEPARATORS:
        try:
            names = next(csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True), [])
        except csv.Error as error:  # in quotes that another separator stands after
            problem = f"not valid CSV: {error}"
            continue
        headers[separator] = [name.strip().lower() for name in names]
    if not headers:
        raise Malformed(file, path, problem)
    fitting = [separator for separator, names in headers.items() if set(needed) <= set(names)]
    best = max(fitting or headers, key=lambda separator: len(headers[separator]))
    header = headers[best]
    if missing := [name for name in needed if name not in header]:
        present = ", ".join(header)
        raise Malformed(file, path, f"column {missing[0]!r} is missing; found {describe_value(present)}")
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise Malformed(file, path, f"column {twice[0]!r} is there twice")
    return best, header


def _rows(lines: _Lines, header: list[str], separator: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    while True:
        lines.row.clear()
        problem, cells = "", []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"not valid CSV: {error}"
        if not problem and len(lines.row) > 1 and _takes_in_a_row(cells, header, separator):
            problem = "not valid CSV: a quote that isn't closed takes in the next row"
        if not problem and lines.start <= lines.doubtful and _may_end_a_field(lines.row, header, separator):
            problem = "not valid CSV: a quote that closes nothing, after a row whose quote isn't closed"
        if problem:
            lines.step_back(_own_lines(lines.row, header, separator))
            if len(lines.row) > 1:
                problem += f"; up to line {lines.number} may be its own"
        path = f"line {lines.start}"
        problem = problem or _fault("".join(lines.row), cells, header, separator)
        if problem:
            yield path, Malformed(lines.file, path, problem)
        elif row := {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}:
            yield path, row


def _takes_in_a_row(cells: list[str], header: list[str], separator: str) -> bool:
    """Whether a field of several lines holds the end of its row and the beginning of another: a file's name stands in it
    where a row has its video."""
    at = header.index("video")
    for number, cell in enumerate(cells):
        first, *others = re.split(r"\r\n?|\n", cell)
        if not others:
            continue
        rows = [[""] * number + first.split(separator)] if number <= at else []
        rows += [line.split(separator) for line in others[:-1]]
        if any(len(row) >= len(header) and _FILE_NAME.fullmatch(row[at].strip()) for row in rows):
            return True
        last = others[-1].split(separator)
        if at < number and len(last) == number + 1 and _FILE_NAME.fullmatch(last[at].strip()):
            return True
    return False


def _may_end_a_field(lines: list[str], header: list[str], separator: str) -> bool:
    """Whether a quote of these lines has no partner, and may close what an earlier line opened."""
    return "".join(lines).count('"') % 2 == 1 and not _names_its_video(lines[0], header, separator)


def _own_lines(lines: list[str], header: list[str], separator: str) -> int:
    """How many lines a row may have whose quotes are wrong: until it has its fields, or another row begins."""
    fields, count = 1 + lines[0].count(separator), 1
    is_past_video = _names_its_video(lines[0], header, separator)
    while count < len(lines) and fields < len(header):
        if is_past_video and _names_its_video(lines[count], header, separator):
            break
        fields += lines[count].count(separator)
        count += 1
    return count


def _names_its_video(line: str, header: list[str], separator: str) -> bool:
    """Whether a line has a file's name where a row has its video, and no quote that is open there."""
    at = header.index("video")
    cells = line.split(separator, at + 1)[: at + 1]
    is_open = separator.join(cells).count('"') % 2
    return len(cells) > at and not is_open and bool(_FILE_NAME.fullmatch(cells[at].strip().strip('"')))


def _fault(text: str, cells: list[str], header: list[str], separator: str) -> str:
    """What is wrong with a row, or ""."""
    if "\0" in text:
        return f"holds NUL characters: not text; {_REMEDY}"
    if escaped := _ESCAPED.search(text):
        code = ascii(escaped[0])[1:-1]
        if not "\udc80" <= escaped[0] <= "\udcff":  # no byte: of UTF-16
            return f"{code} is half of a surrogate pair, which is no character"
        return f"not UTF-8 text: {code.replace('udc', 'x')}; {_REMEDY}"
    while len(cells) > len(header) and not cells[-1].strip():
        cells.pop()
    if not any(cell.strip() for cell in cells):
        return ""
    if len(cells) != len(header):
        remedy = (
            f"; a field that holds {_SEPARATOR_NAMES[separator]} stands in quotes" if len(cells) > len(header) else ""
        )
        return f"expected {len(header)} fields, found {len(cells)}{remedy}"
    if stray := [
        n for n, (name, cell) in enumerate(zip(header, cells, strict=True), start=1) if cell.strip() and not name
    ]:
        return f"field {stray[0]} says something, and its column has no name"
    return ""
