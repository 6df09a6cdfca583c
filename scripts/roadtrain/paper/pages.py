"""What every page has: it fetches nothing, shows no text as markup, and runs no script but its own."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from roadtrain.markup import visible
from roadtrain.paper.table import Table, cell_text
from roadtrain.results.words import percent


def page_environment(templates: str | Path) -> jinja2.Environment:
    """Of the templates in a folder: values are escaped, and one that is missing is an error."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        finalize=_visible_text,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["percent"] = percent
    return env


def joined(folder: Path, parts: Sequence[str]) -> str:
    """One text: a page holds one style and one script, each of a known hash."""
    return "".join((folder / part).read_text(encoding="utf-8") for part in parts)


def svg_address(svg: bytes) -> str:
    """A picture as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def table_contents(table: Table) -> dict[str, Any]:
    """What a template needs to write a table."""
    return {
        "name": table.name,
        "title": table.title,
        "caption": table.caption,
        "notes": table.notes,
        "heads": [(column.title, table.numeric(n)) for n, column in enumerate(table.columns)],
        "rows": [[cell_text(cell) for cell in row] for row in table.rows],
    }


def _visible_text(value: Any) -> Any:
    """What the template writes; its own markup (safe) is left as it is."""
    return visible(value) if type(value) is str else value
