"""A spec's text -> its values, all of them as they are written.

YAML guesses types: `on` is true, `010` is 8, `1:30` is 90, `2024-01-01` a date, and the second of two equal keys wins.
Here a plain value is text (or None: `null`, `~`, nothing), and what it means is decided by the key that it is for
(section.py). What is written twice, or can't be told, is a mistake with its line.
"""

import json
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from roadtrain.files import repeated_key
from roadtrain.spec.mistakes import SpecError, one_line

LARGEST_FILE = 1_000_000  # bytes; a thousand ablations take a tenth
MOST_VALUES = 200_000  # aliases written out
NOTHING = ("", "~", "null", "Null", "NULL")
TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
MERGE = "<<"
# Resolves no types. The one in C, where PyYAML has it, takes a tenth of the time.
Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def spec_values(files: Iterable[str | Path], overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The values of the files, later ones going into earlier ones, and of `key=value` texts (Snakemake's --config). Raises
    SpecError."""
    values: dict[str, Any] = {}
    for file in files:
        values = _merged(values, parse_values(read_spec_text(file), str(file)))
    for override in overrides:
        key, _, text = override.partition("=")
        values = _merged(values, {key: _parse(text, f"--config {one_line(key)}")})
    return values


def read_spec_text(path: str | Path) -> str:
    """Raises SpecError when it is no file, no text, or too long to be a spec."""
    try:
        mode = Path(path).stat()
        if not stat.S_ISREG(mode.st_mode):  # opening a pipe waits, reading a device never ends
            raise SpecError(f"{path}: {'a folder' if stat.S_ISDIR(mode.st_mode) else 'not a file'}, not a spec")
        if mode.st_size > LARGEST_FILE:
            raise SpecError(f"{path}: {mode.st_size:,} bytes: not a spec, which has at most {LARGEST_FILE:,}")
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"{one_line(path)}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"{path}: line {line}: byte 0x{content[error.start]:02x} is not UTF-8: save the file as UTF-8"
        ) from None


def parse_values(text: str, source: str) -> dict[str, Any]:
    """A mapping of sections. `source`: its name in messages. Raises SpecError, with lines where there are some."""
    values = _parse(text, source)
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else "nothing" if values is None else "text"
        raise SpecError(f"{source}: the spec must be a mapping of sections, not {kind}")
    return values


def _parse(text: str, source: str) -> Any:
    if character := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, character.start()) + 1
        raise SpecError(
            f"{source}: line {line}: U+{ord(character[0]):04X} has no place in a text: take it away, or write an escape"
        )
    try:
        if text.lstrip().startswith("{") and "\t" in text:  # JSON may be indented by tabs, YAML may not
            return json.loads(text, object_pairs_hook=lambda pairs: _pairs(pairs, source))
        node = yaml.compose(text, Loader=Loader)
        return None if node is None else _Values(source).value(node)
    except yaml.YAMLError as error:
        raise SpecError(f"{source}: {_problem(error, text)}") from None
    except json.JSONDecodeError as error:
        raise SpecError(f"{source}: line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise SpecError(f"{source}: lists and mappings lie too deep in one another") from None
    except SpecError:
        raise
    except ValueError as error:  # a number of 5,000 digits, a character that there isn't
        raise SpecError(f"{source}: {one_line(error)}") from None


def _problem(error: yaml.YAMLError, text: str) -> str:
    """PyYAML's words, which take several lines, in one."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        words = error.problem or error.context or "not YAML"
        if words.startswith("but found another document"):
            words = "a second document begins: a spec is one"
        elif "tab" in words or "'\\t'" in words or (mark and _is_tab(text, mark)):
            words += ": a tab; indent by spaces"
        elif words.startswith("found undefined alias"):
            words += ": nothing is called &.. so"
        return (f"line {mark.line + 1}: " if mark else "") + one_line(words)
    return one_line(" ".join(str(error).split()))


def _is_tab(text: str, mark: yaml.Mark) -> bool:
    """libyaml's words don't say which character it was."""
    lines = text.splitlines()
    return mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t"


def _pairs(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    if (twice := repeated_key(pairs)) is not None:
        raise SpecError(f"{source}: {one_line(twice)} is there twice")
    return dict(pairs)


class _Values:
    """Walks YAML's nodes. An alias is the very node that it stands for."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.count = 0
        self.above: list[yaml.Node] = []  # an alias to one of these would never end

    def value(self, node: yaml.Node) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise self.mistake(node, f"more than {MOST_VALUES:,} values, with aliases written out")
        if node.tag not in TAGS:
            raise self.mistake(node, f"{one_line(node.tag)}: a spec has no tags: take !.. away")
        if isinstance(node, yaml.ScalarNode):
            return None if not node.style and node.value in NOTHING else node.value
        if any(node is one for one in self.above):
            raise self.mistake(node, "an alias (*name) stands inside of what it names")
        self.above.append(node)
        value = self.mapping(node) if isinstance(node, yaml.MappingNode) else [self.value(one) for one in node.value]
        self.above.pop()
        return value

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        inherited: list[dict[str, Any]] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in TAGS:
                raise self.mistake(key_node, "a key must be text")
            key, line = key_node.value, key_node.start_mark.line + 1
            if key in lines:
                raise SpecError(f"{self.source}: {one_line(key)}: is there twice, in line {lines[key]} and line {line}")
            lines[key] = line
            if key == MERGE and not key_node.style:
                inherited = self.merged(value_node)
            else:
                values[key] = self.value(value_node)
        for mapping in inherited:  # the first has it, as YAML's merge keys want
            values = mapping | values
        return values

    def merged(self, node: yaml.Node) -> list[dict[str, Any]]:
        """`<<`: the mappings whose keys are taken over where they aren't written."""
        value = self.value(node)
        mappings = value if isinstance(value, list) else [value]
        if not all(isinstance(mapping, dict) for mapping in mappings):
            raise self.mistake(node, "<<: takes a mapping (*name), or a list of them")
        return mappings

    def mistake(self, node: yaml.Node, words: str) -> SpecError:
        return SpecError(f"{self.source}: line {node.start_mark.line + 1}: {words}")


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """As Snakemake merges its config: mappings key by key, everything else is replaced."""
    both = {key: value for key, value in base.items() if isinstance(value, dict) and isinstance(more.get(key), dict)}
    return {**base, **more, **{key: _merged(value, more[key]) for key, value in both.items()}}
