"""T4: what training took. Times are measured; they differ from machine to machine."""

from roadtrain.model.checkpoints import CheckpointManifest
from roadtrain.paper.table import Cell, Column, Number, Table, number_or_none
from roadtrain.results.published import RECIPE, PublishedSetting
from roadtrain.results.reader import AblationResults, Results
from roadtrain.spec.resolved import TrainSettings

COLUMNS = (
    Column("ablation", "ablation"),
    Column("engine", "engine"),
    Column("sequences", "sequences"),
    Column("trained", "trained"),
    Column("trained_weights", "trained weights"),
    Column("epochs", "epochs"),
    Column("steps", "steps"),
    Column("questions", "questions"),
    Column("device", "device"),
    Column("gpus", "GPUs"),
    Column("seconds", "time (s)"),
    Column("questions_per_second", "questions/s"),
    Column("gpu_hours", "GPU-hours"),
    Column("peak_gib", "peak memory (GiB)"),
)
PUBLISHED = (Column("published_time", "published time"), Column("published_gpu_hours", "GPU-hours"))
SHARES = (
    Column("share", "share of scenarios"),
    Column("scenarios", "training scenarios"),
    Column("training_questions", "training questions"),
)
NOTES = "Time is that of the optimizer steps; memory that of one GPU, or of the process on a CPU."
SHARE_NOTES = " A share is of the training scenarios, whole ones; training questions are those of an epoch."
PUBLISHED_NOTES = " Published: 3 epochs on 8 A100."


def training_table(results: Results) -> Table:
    """T4: what training took. Times are measured; they differ from machine to machine."""
    has_shares = any(ablation.training_set for ablation in results.ablations)
    records = [_record(ablation) | (_share(ablation) if has_shares else {}) for ablation in results.ablations]
    for setting in results.published_only:
        name = f"{RECIPE} {setting['name']}"
        records.append({"ablation": name, "epochs": Number(setting["epochs"]), **_published(setting)})
    seconds = {ablation.name: ablation.training_seconds for ablation in results.ablations}
    times = [f"{name} {value / 60:.1f} minutes" for name, value in seconds.items() if value is not None]
    caption = f"Training, all epochs. {'; '.join(times)}." if times else "Training, all epochs."
    columns: tuple[Column, ...] = COLUMNS
    notes = NOTES
    if has_shares:
        columns, notes = (*columns, *SHARES), notes + SHARE_NOTES
    if results.published:
        columns, notes = (*columns, *PUBLISHED), notes + PUBLISHED_NOTES
    return Table.from_records("t4_training", caption, columns, records, notes)


def _record(ablation: AblationResults) -> dict[str, Cell]:
    train = ablation.settings["train"]
    return {
        "ablation": ablation.name,
        "engine": train["engine"],
        "sequences": train["sequences"],
        "trained": _trained(train),
        "epochs": Number(train["epochs"]),
        "gpus": Number(train["gpus"]),
        **_measured(ablation.last_manifest, train["gpus"]),
        **_published(ablation.published),
    }


def _measured(manifest: CheckpointManifest | None, gpus: int) -> dict[str, Cell]:
    if manifest is None:
        return {}
    seconds, questions, peak = manifest.get("seconds"), manifest.get("questions"), manifest.get("peak_bytes")
    return {
        "steps": number_or_none(manifest.get("steps")),
        "questions": number_or_none(questions),
        "device": manifest.get("device"),
        "seconds": number_or_none(seconds, 1),
        "questions_per_second": Number(questions / seconds, 2) if seconds and questions else None,
        "gpu_hours": None if seconds is None else Number(seconds * gpus / 3600, 3),
        "trained_weights": number_or_none(manifest.get("trained_weights")),
        "peak_gib": number_or_none(None if peak is None else peak / 2**30, 2),
    }


def _share(ablation: AblationResults) -> dict[str, Cell]:
    part = ablation.training_set
    scenarios = part["scenarios"]["trained"] if part else ablation.results.audit["splits"]["train"]["scenarios"]
    return {
        "share": f"{ablation.share:g}",
        "scenarios": Number(scenarios),
        "training_questions": Number(ablation.training_questions),
    }


def _trained(train: TrainSettings) -> str:
    """What of the model is trained, in words."""
    lora, freeze = train.get("lora"), train.get("freeze")
    if lora:
        return f"LoRA {lora['rank']}: {', '.join(lora['targets'])}"
    return f"all but {', '.join(freeze)}" if freeze else "everything"


def _published(setting: PublishedSetting | None) -> dict[str, Cell]:
    if setting is None:
        return {}
    gpu_hours = setting["training_seconds"] * setting["gpus"] / 3600
    return {"published_time": setting["training_time"], "published_gpu_hours": Number(gpu_hours, 3)}
