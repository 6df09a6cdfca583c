"""What rows of paired comparisons have in common, whatever is compared: checkpoints, runs, or means over seeds."""

from roadtrain.paper.table import Cell, Number, in_percent
from roadtrain.results.comparisons import Pair, side_in_words
from roadtrain.results.repeats import SeedPair
from roadtrain.results.words import p_value


def difference_cells(pair: Pair | SeedPair) -> dict[str, Cell]:
    """Cells by column key: of how many questions, how much, how sure."""
    low, high = pair["ci95"]
    return {
        "questions": Number(pair["questions"]),
        "difference": in_percent(pair["difference"], signed=True),
        "ci_low": in_percent(low, signed=True),
        "ci_high": in_percent(high, signed=True),
        "p_scenario": p_value(pair["p_scenario"]),
        "p_holm": p_value(pair["p_holm"]),
        "significant": "yes" if pair["significant"] else "no",
    }


def pair_cells(pair: Pair) -> dict[str, Cell]:
    """The same of two checkpoints, with both and what only one of them answers right."""
    return {
        "a": side_in_words(pair["a"]),
        "b": side_in_words(pair["b"]),
        "only_a": Number(pair["only_a"]),
        "only_b": Number(pair["only_b"]),
        **difference_cells(pair),
    }
