"""T5: what differs significantly, of the pairs that a reader asks about."""

from roadtrain.paper.seeds import PAIR_NOTES
from roadtrain.paper.table import Cell, Column, Table
from roadtrain.paper.tables.differences import difference_cells, pair_cells
from roadtrain.paths import MAJORITY
from roadtrain.results.caption_comparisons import CaptionPair, CaptionSide
from roadtrain.results.comparisons import Pair, Side
from roadtrain.results.reader import Results
from roadtrain.results.repeats import SeedPair, mean_in_words
from roadtrain.results.words import ALPHA, CONFIDENCE, p_value

COLUMNS = (
    Column("a", "from"),
    Column("b", "to"),
    Column("questions", "questions"),
    Column("difference", "difference (points)"),
    Column("ci_low", f"{CONFIDENCE} from"),
    Column("ci_high", "to"),
    Column("only_a", "only the first right"),
    Column("only_b", "only the second right"),
    Column("mcnemar_midp", "McNemar mid-p"),
    Column("p_scenario", "p (scenarios)"),
    Column("p_holm", "p (Holm)"),
    Column("significant", "significant"),
)
NOTES = (
    f"Significant: randomization over scenarios, corrected for the number of all pairs (Holm), below {ALPHA:.2g}."
    " McNemar's test takes questions as independent, which those of a scenario are not; nothing rests on it."
)


def comparisons_table(results: Results) -> Table:
    """T5: what differs significantly, of the pairs that a reader asks about."""
    pairs = pairs_of_interest(results)
    caption = (
        f"Paired comparisons; {len(pairs)} of all {len(results.comparisons['pairs'])} pairs"
        f" (comparisons.json has every one), {sum(pair['significant'] for pair in pairs)} of these differ significantly."
    )
    if results.repeats is None:
        return Table.from_records("t5_comparisons", caption, COLUMNS, map(_record, pairs), NOTES)
    means = results.repeats["pairs"]
    caption += f" Of the {len(means)} pairs of means over seeds, {sum(pair['significant'] for pair in means)} differ significantly."
    records = [*map(_mean_record, means), *map(_record, pairs)]
    return Table.from_records("t5_comparisons", caption, COLUMNS, records, NOTES + PAIR_NOTES)


def pairs_of_interest(results: Results) -> list[Pair]:
    """Each checkpoint against the one before it, the best against zero-shot, the baselines and its quantized ones, and
    the best ones of two ablations."""
    return [pair for pair in results.comparisons["pairs"] if _is_of_interest(results, pair["a"], pair["b"])]


def caption_pairs_of_interest(results: Results) -> list[CaptionPair]:
    """Of the captions' pairs the best epoch against zero-shot, the baselines and its quantized ones, and the best ones of two
    ablations; [] where there are none."""
    if not results.has_comparisons or "captions" not in results.comparisons:
        return []
    best = {ablation.name: ablation.best["checkpoint"] for ablation in results.ablations}
    return [
        pair
        for pair in results.comparisons["captions"]["pairs"]
        if _is_of_interest(results, pair["a"], pair["b"])
        and best[pair["a"]["ablation"]] in (pair["a"]["checkpoint"], pair["b"]["checkpoint"])
    ]


def _is_of_interest(results: Results, a: Side | CaptionSide, b: Side | CaptionSide) -> bool:
    best = {ablation.name: ablation.best["checkpoint"] for ablation in results.ablations}
    order = {ablation.name: ablation.checkpoints for ablation in results.ablations}
    ablation, first, second = a["ablation"], a["checkpoint"], b["checkpoint"]
    if ablation != b["ablation"]:
        return first == best[ablation] and second == best[b["ablation"]]
    if first in results.baselines:
        return second == best[ablation] or (first == MAJORITY and second == "zero_shot")
    if second in results.precisions:
        return first == best[ablation]
    next_epoch = order[ablation].index(second) == order[ablation].index(first) + 1
    return next_epoch or (first == "zero_shot" and second == best[ablation])


def _record(pair: Pair) -> dict[str, Cell]:
    return pair_cells(pair) | {"mcnemar_midp": p_value(pair["mcnemar_midp"])}


def _mean_record(pair: SeedPair) -> dict[str, Cell]:
    """Counts of single questions have no meaning for means."""
    return {"a": mean_in_words(pair["a"]), "b": mean_in_words(pair["b"]), **difference_cells(pair)}
