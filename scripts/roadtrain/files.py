"""Files that exist only when they are whole (write beside, then rename), and the formats of those that we write."""

import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any


@contextlib.contextmanager
def whole_file(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Open a file beside `path`; it takes the name `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    with _renamed(beside, path), open(beside, mode, encoding=encoding, newline=newline) as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def whole_path(path: str | Path) -> Iterator[Path]:
    """The same for a library that opens its file itself: a path beside `path` to write to."""
    path = Path(path)
    beside = path.with_name(f".{path.name}.part")
    with _renamed(beside, path):
        yield beside


@contextlib.contextmanager
def _renamed(beside: Path, path: Path) -> Iterator[None]:
    """`beside` becomes `path` when the block ends without an error, and is deleted otherwise."""
    try:
        yield
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise _named(error, path) from None


@contextlib.contextmanager
def whole_directory(path: str | Path) -> Iterator[Path]:
    """A fresh directory beside `path` that replaces it when the block ends without an error.

    The name is fixed (`.<name>.part`): what a killed run left there is deleted by the next one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise _named(error, path) from None
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.replace(path, old)
        os.replace(beside, path)
        shutil.rmtree(old)
    else:
        os.replace(beside, path)


def _named(error: BaseException, path: Path) -> BaseException:
    """The error with the file's name: a full disk is reported without one, and by safetensors not as an OSError."""
    code = re.search(r"\(os error (\d+)\)$", str(error))
    if code and not isinstance(error, OSError):
        return OSError(int(code[1]), os.strerror(int(code[1])), str(path))
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(path)
    return error


def write_text(path: str | Path, text: str) -> None:
    """UTF-8 with plain line feeds. The file appears when it is whole."""
    with whole_file(path) as stream:
        stream.write(text)


def write_json(path: str | Path, value: Any) -> None:
    """Indented JSON with a final newline. NaN and infinity are refused (ValueError): JSON has none."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """What write_json writes."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def repeated_key(pairs: Sequence[tuple[str, Any]]) -> str | None:
    """The first key of an object that is there twice, None where each is there once: for json's object_pairs_hook."""
    keys = [key for key, _ in pairs]
    return next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None


def read_json(path: str | Path) -> Any:
    """Raises ValueError naming the file, line and column when it isn't JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from None


def markdown_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[bool] = (),
    marks: tuple[str, str] = (" :--- ", " ---: "),
) -> str:
    """A table in Markdown, ending with a line break. Cells are Markdown already.

    `numeric` says which columns are set flush right (none). `marks` are written below the head of the other columns,
    and of those.
    """
    rule = "|".join(marks[flush_right] for flush_right in (numeric or [False] * len(head)))
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]]) + "\n"


def replace_links(folder: str | Path) -> int:
    """Replace links into DVC's cache, and files that can't be written, below a folder by copies; returns how many.

    For files that are rewritten in place, as Snakemake does with its metadata: with `cache.type` hardlink or symlink it
    would write into the cache (root), or fail (anybody else).
    """
    count = 0
    for path in Path(folder).rglob("*"):
        if path.is_symlink() or (path.is_file() and (path.stat().st_nlink > 1 or not os.access(path, os.W_OK))):
            beside = path.with_name(f".{path.name}.part")
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(path, beside)
                beside.chmod(0o644)
                os.replace(beside, path)
                count += 1
    return count


def sha256_file(path: str | Path) -> str:
    """In hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hash of a JSON value that doesn't depend on the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_tree(directory: str | Path) -> dict[str, str]:
    """{relative path: sha256} of every file below `directory`, sorted; hidden files are left out."""
    directory = Path(directory)
    files = sorted(p for p in directory.rglob("*") if p.is_file())
    relative = [p.relative_to(directory) for p in files]
    return {
        r.as_posix(): sha256_file(directory / r) for r in relative if not any(part.startswith(".") for part in r.parts)
    }


def sha256_code(path: str | Path) -> str:
    """Of what a Python file does: comments, docstrings and formatting don't count, nor which Python 3.11 to 3.14 runs."""
    tree = ast.parse(Path(path).read_bytes(), str(path))
    _drop_docstrings(tree.body)
    # 3.13 leaves empty fields out unless told, 3.12 added one that is empty where generics aren't used.
    options = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return sha256_json(ast.dump(tree, **options).replace(", type_params=[]", ""))


def _drop_docstrings(statements: list[ast.stmt]) -> None:
    """Also other texts that stand alone, wherever statements do."""
    for statement in list(statements):
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                statements.remove(statement)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.If() | ast.With() | ast.Try():
                _drop_docstrings(statement.body)
