"""Tables of runs beside runs (compare_runs.py): accuracy, comparisons, what isn't common, the specs' differences, cost."""

from typing import Any

from roadtrain.markup import quantity, visible_line
from roadtrain.paper.table import Cell, Column, Number, Table, cell_text, in_percent, number_or_none
from roadtrain.paper.tables.differences import pair_cells
from roadtrain.results.run_comparison import ComparedSide, RunComparison
from roadtrain.results.words import ALPHA, CONFIDENCE, describe_checkpoint

SIDES = (
    Column("side", "run/ablation"),
    Column("checkpoint", "checkpoint"),
    Column("questions", "questions"),
    Column("accuracy", "accuracy (%)"),
    Column("ci_low", f"{CONFIDENCE} from"),
    Column("ci_high", "to"),
    Column("common_accuracy", "in common (%)"),
    Column("common_low", f"{CONFIDENCE} from"),
    Column("common_high", "to"),
)
SIDES_NOTES = (
    "In common: over the questions that every side was asked. Intervals: bootstrap over scenarios. A best epoch was chosen on these same questions, so its accuracy is slightly"
    " flattered (--checkpoint last isn't chosen)."
)
PAIRS = (
    Column("a", "from"),
    Column("b", "to"),
    Column("questions", "common questions"),
    Column("difference", "difference (points)"),
    Column("ci_low", f"{CONFIDENCE} from"),
    Column("ci_high", "to"),
    Column("only_a", "only the first right"),
    Column("only_b", "only the second right"),
    Column("p_scenario", "p (scenarios)"),
    Column("p_holm", "p (Holm)"),
    Column("significant", "significant"),
)
PAIRS_NOTES = (
    f"Significant: randomization over scenarios, corrected for the number of these pairs (Holm), below {ALPHA:.2g}."
)
REASONS = (Column("a", "one"), Column("b", "other"), Column("reason", "why not"), Column("questions", "questions"))
REASONS_NOTES = "Common is what has the same video content, window, wording, options and right answer; ids and file names don't count."
COST = (
    Column("side", "run/ablation"),
    Column("commit", "code"),
    Column("hardware", "hardware"),
    Column("gpus", "GPUs"),
    Column("seconds", "training (s)"),
    Column("gpu_hours", "GPU-hours"),
    Column("price", "price"),
    Column("seconds_of_1000", "asking 1,000 questions (s)"),
    Column("peak_gib", "peak memory (GiB)"),
    Column("quantization_seconds", "quantization (s)"),
)
COST_NOTES = "Training: the optimizer steps of all epochs; asking: the loading of the model included. Times are measured; they differ from machine to machine."


def run_tables(comparison: RunComparison) -> list[Table]:
    """Every table that has a row, in the page's order."""
    tables = [
        _sides(comparison),
        _pairs(comparison),
        _not_common(comparison),
        _differences(comparison),
        _cost(comparison),
    ]
    return [table for table in tables if table.rows]


def text_table(table: Table) -> str:
    """A table for a terminal: columns flush, numbers to the right; nothing in it steers the terminal."""
    rows = [[column.title for column in table.columns], *([cell_text(cell) for cell in row] for row in table.rows)]
    cells = [[visible_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if table.numeric(n) else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    rule = "  ".join("-" * width for width in widths)
    head = visible_line(f"{table.title}. {table.caption}")
    return "\n".join([head, "", lines[0], rule, *lines[1:], *(["", table.notes] if table.notes else [])]) + "\n"


def _sides(comparison: RunComparison) -> Table:
    common = comparison["common_questions"]
    caption = f"{quantity(common, 'question')} {'is' if common == 1 else 'are'} common to all {len(comparison['sides'])} sides."
    return _table("accuracy", "Accuracy", caption, SIDES, [_side(side) for side in comparison["sides"]], SIDES_NOTES)


def _side(side: ComparedSide) -> dict[str, Cell]:
    return {
        "side": side["name"],
        "checkpoint": describe_checkpoint(side["checkpoint"]),
        "questions": Number(side["questions"]),
        **_with_interval(side["accuracy"], side["ci95"], ("accuracy", "ci_low", "ci_high")),
        **_with_interval(
            side["common_accuracy"], side["common_ci95"], ("common_accuracy", "common_low", "common_high")
        ),
    }


def _with_interval(value: float | None, interval: list[float] | None, keys: tuple[str, str, str]) -> dict[str, Cell]:
    if value is None or interval is None:
        return {}
    return dict(zip(keys, (in_percent(number) for number in (value, *interval)), strict=True))


def _pairs(comparison: RunComparison) -> Table:
    pairs = comparison["pairs"]
    caption = (
        f"{quantity(len(pairs), 'pair')}, {sum(pair['significant'] for pair in pairs)} of them differ significantly."
    )
    if not comparison["spec_differences"]:
        caption += " Their specs are the same."
    return _table("comparisons", "Comparisons", caption, PAIRS, [pair_cells(pair) for pair in pairs], PAIRS_NOTES)


def _not_common(comparison: RunComparison) -> Table:
    tested = [(pair["a"]["ablation"], pair["b"]["ablation"], pair["not_common"]) for pair in comparison["pairs"]]
    without = [(pair["a"], pair["b"], pair["not_common"]) for pair in comparison["pairs_without"]]
    records: list[dict[str, Cell]] = [
        {"a": a, "b": b, "reason": reason, "questions": Number(count)}
        for a, b, reasons in tested + without
        for reason, count in reasons.items()
    ]
    names = [f"{a} and {b}" for a, b, _ in without]
    caption = f"No common question: {'; '.join(names)}." if names else "Questions that are not compared."
    return _table("not_common", "Not common", caption, REASONS, records, REASONS_NOTES)


def _differences(comparison: RunComparison) -> Table:
    sides = [side["name"] for side in comparison["sides"]]
    columns = (Column("key", "key of the spec"), *(Column(f"side: {name}", name) for name in sides))
    records: list[dict[str, Cell]] = [
        {"key": key, **{f"side: {name}": _setting(values[name]) for name in sides}}
        for key, values in comparison["spec_differences"].items()
    ]
    caption = f"{quantity(len(records), 'key')} {'differs' if len(records) == 1 else 'differ'}, overrides applied."
    return _table("spec", "The specs' differences", caption, columns, records)


def _setting(value: Any) -> str:
    return "null" if value is None else str(value)


def _cost(comparison: RunComparison) -> Table:
    records: list[dict[str, Cell]] = [
        {
            "side": side["name"],
            "commit": ", ".join(side["cost"]["commits"]),
            "hardware": ", ".join(side["cost"]["hardware"]) or side["cost"]["device"],
            "gpus": Number(side["cost"]["gpus"]),
            "seconds": number_or_none(side["cost"]["training_seconds"], 1),
            "gpu_hours": number_or_none(side["cost"]["gpu_hours"], 3),
            "price": number_or_none(side["cost"]["price"], 2),
            "seconds_of_1000": number_or_none(side["cost"]["seconds_of_1000"], 1),
            "peak_gib": number_or_none(side["cost"]["peak_gib"], 2),
            "quantization_seconds": number_or_none(side["cost"]["quantization_seconds"], 1),
        }
        for side in comparison["sides"]
    ]
    columns = tuple(column for column in COST if any(record[column.key] not in (None, "") for record in records))
    return _table("cost", "Cost", "What each side took.", columns, records, COST_NOTES)


def _table(
    name: str, title: str, caption: str, columns: tuple[Column, ...], records: list[dict[str, Cell]], notes: str = ""
) -> Table:
    rows = [[record.get(column.key) for column in columns] for record in records]
    return Table(name, title, caption, columns, rows, notes)
