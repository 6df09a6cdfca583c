"""T9: which data sets the checkpoints have seen, and whether these are synthetic alone.

Made from what conversion counted (data/provenance.py), not from the spec's words. That an epoch was trained on these very
conversations is checked by hashes: its manifest has one of everything that it was made from.
"""

from roadtrain.data.audit_json import SetCounts
from roadtrain.files import sha256_file, sha256_json
from roadtrain.paper.table import Cell, Column, Number, Table
from roadtrain.results.reader import AblationResults, Results

COLUMNS = (
    Column("use", "use"),
    Column("set", "data set"),
    Column("synthetic", "synthetic"),
    Column("questions", "questions"),
    Column("media", "videos and pictures"),
    Column("content", "content"),
)
USES = {"train": "trained on", "val": "best epoch chosen by", "test": "asked for a submission"}
NOTES = (
    "Content: a hash over the media of the set, the same for the same files. What the base model had seen before is not known"
    " here, and counts for neither. Own data: nobody says whether they are synthetic."
)
NOT_RECORDED = "not recorded"
UNKNOWN: SetCounts = {"synthetic": None, "questions": 0, "media": 0, "content": None}


def sets_table(results: Results) -> Table:
    """T9: which data sets the checkpoints have seen."""
    records: list[dict[str, Cell]] = [
        {
            "use": USES[split],
            "set": name,
            "synthetic": {True: "yes", False: "no", None: "unknown"}[counts["synthetic"]],
            "questions": Number(counts["questions"]) if counts["questions"] else None,
            "media": Number(counts["media"]) if counts["media"] else None,
            "content": counts["content"],
        }
        for split in results.audit["splits"]
        for name, counts in sets_of(results, split).items()
    ]
    return Table.from_records("t9_sets", sets_caption(results), COLUMNS, records, NOTES)


def sets_of(results: Results, split: str) -> dict[str, SetCounts]:
    """{data set: its counts} of a split. A conversion of 0.2 named none."""
    return results.audit["splits"][split].get("sets") or {NOT_RECORDED: UNKNOWN}


def sets_caption(results: Results) -> str:
    """What was trained on, and how sure that is."""
    sets = sets_of(results, "train")
    names = ", ".join(sets)
    kinds = {counts["synthetic"] for counts in sets.values()}
    if kinds == {True}:
        verdict = "synthetic data alone"
    elif False in kinds:
        verdict = f"not synthetic data alone ({', '.join(name for name, c in sets.items() if c['synthetic'] is False)})"
    else:
        verdict = "whether that is synthetic is not known"
    unsure = [ablation.name for ablation in results.ablations if not is_trained_on_these(ablation)]
    check = (
        f"Not confirmed by hashes: {', '.join(unsure)}."
        if unsure
        else "The hashes of what every epoch was made from are those of these conversations."
    )
    return " ".join((f"Every epoch was trained on {names}: {verdict}.", *_parts(results), check))


def _parts(results: Results) -> list[str]:
    """Which ablations were trained on less than the rows count."""
    parts = [(ablation.name, part["questions"]) for ablation in results.ablations if (part := ablation.training_set)]
    if not parts:
        return []
    words = ", ".join(f"{name} ({counts['trained']:,} of {counts['total']:,} questions)" for name, counts in parts)
    return [f"On a part of these (train.share): {words}."]


def is_trained_on_these(ablation: AblationResults) -> bool:
    """Whether every epoch's manifest has the hash of this run's TOML, conversations, frame index and base
    (train/run_folder.py); False where one of these files isn't here."""
    results, base = ablation.results, ablation.manifest("zero_shot")
    paths = results.paths
    index = paths.frames(ablation.settings["vision_name"], "train")
    conversations = paths.training(ablation.share, ablation.settings["train"]["seed"])
    files = [results.at(path) for path in (paths.toml(ablation.name), conversations, index)]
    if base is None or not all(file.is_file() for file in files):
        return False
    origin = sha256_json({file.name: sha256_file(file) for file in files} | {"base": base["sha256"]})
    manifests = [ablation.manifest(name) for name in ablation.unquantized[1:]]
    return all(manifest is not None and manifest.get("fingerprint") == origin for manifest in manifests)
