"""T6: what quantization saved and cost, and the gate's verdict."""

from roadtrain.model.checkpoints import CheckpointManifest
from roadtrain.paper.table import Cell, Column, Number, Table, in_percent, number_or_none
from roadtrain.quantize.gate import Verdict
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import CONFIDENCE, describe_checkpoint

COLUMNS = (
    Column("ablation", "ablation"),
    Column("precision", "precision"),
    Column("parent", "made from"),
    Column("megabytes", "size (MB)"),
    Column("size_ratio", "of its parent"),
    Column("layers", "layers"),
    Column("calibration_videos", "calibration videos"),
    Column("accuracy", "accuracy (%)"),
    Column("scenarios", "scenarios"),
    Column("difference", "difference (points)"),
    Column("lower_bound", f"at worst ({CONFIDENCE})"),
    Column("allowed", "may lose (points)"),
    Column("gate", "gate"),
)
CAPTION_COLUMNS = (  # with quantize.gate: parts or s2
    Column("score", "also judged"),
    Column("score_difference", "difference (points)"),
    Column("score_lower_bound", f"at worst ({CONFIDENCE})"),
    Column("score_allowed", "may lose (points)"),
)
NOTES = (
    f"At worst: the worse of two one-sided {CONFIDENCE} bounds of the paired difference: a bootstrap over scenarios, of what"
    " these show, and an exact one, of what so few can't exclude. Undecided: only the exact one is beyond what may be"
    " lost, or scenarios are too few."
)


def quantization_table(results: Results) -> Table:
    """T6: what quantization saved and cost, and the gate's verdict."""
    records: list[dict[str, Cell]] = []
    outcomes = []
    for ablation in results.ablations:
        for precision in results.precisions:
            verdict = ablation.gate["precisions"].get(precision)
            records.append(_record(ablation, precision) | _verdict(verdict))
            if verdict:
                outcome = verdict["outcome"]
                words = "FAILED" if outcome == "failed" else outcome
                outcomes.append(f"{ablation.name} {describe_checkpoint(precision)} {words}")
    caption = (
        f"Quantization of the best epoch. The gate: {', '.join(outcomes)}."
        if outcomes
        else "No precision was asked for."
    )
    more = CAPTION_COLUMNS if any("score" in record for record in records) else ()
    return Table.from_records("t6_quantization", caption, (*COLUMNS[:-1], *more, COLUMNS[-1]), records, NOTES)


def _record(ablation: AblationResults, precision: str) -> dict[str, Cell]:
    return {
        "ablation": ablation.name,
        "precision": precision,
        "parent": ablation.best["checkpoint"],
        **_sizes(ablation.manifest(precision)),
        "allowed": in_percent(ablation.gate["max_accuracy_drop"]),
    }


def _sizes(manifest: CheckpointManifest | None) -> dict[str, Cell]:
    if manifest is None:
        return {}
    size, parent_size = manifest.get("bytes"), manifest.get("parent_bytes")
    sizes: dict[str, Cell] = {
        "megabytes": Number(size / 1e6, 2) if size else None,
        "size_ratio": Number(size / parent_size, 3) if size and parent_size else None,
        "layers": number_or_none(len(manifest.get("quantized_layers", [])) or None),
        "calibration_videos": number_or_none(manifest.get("calibration_videos")),
    }
    return sizes | ({"parent": manifest["parent"]} if "parent" in manifest else {})


def _verdict(verdict: Verdict | None) -> dict[str, Cell]:
    if verdict is None:
        return {}
    return {
        "accuracy": in_percent(verdict["accuracy"]),
        "difference": in_percent(verdict["difference"], signed=True),
        "lower_bound": in_percent(verdict["lower_bound"], signed=True),
        "scenarios": Number(verdict["scenarios"]),
        "gate": verdict["outcome"],
        **_captions(verdict),
    }


def _captions(verdict: Verdict) -> dict[str, Cell]:
    """In points of 100."""
    if "captions" not in verdict:
        return {}
    captions = verdict["captions"]
    return {
        "score": "S2" if captions["score"] == "s2" else "caption score",
        "score_difference": Number(captions["difference"], 2, signed=True),
        "score_lower_bound": Number(captions["lower_bound"], 2, signed=True),
        "score_allowed": Number(captions["allowed"], 2),
    }
