"""T4: what training took. Times are measured; they differ from machine to machine."""

from roadtrain.model.checkpoints import CheckpointManifest
from roadtrain.paper.table import Cell, Column, Number, Table, number_or_none
from roadtrain.results.published import RECIPE, PublishedSetting
from roadtrain.results.reader import AblationResults, Results

COLUMNS = (
    Column("ablation", "ablation"),
    Column("engine", "engine"),
    Column("sequences", "sequences"),
    Column("epochs", "epochs"),
    Column("steps", "steps"),
    Column("questions", "questions"),
    Column("device", "device"),
    Column("gpus", "GPUs"),
    Column("seconds", "time (s)"),
    Column("questions_per_second", "questions/s"),
    Column("gpu_hours", "GPU-hours"),
)
PUBLISHED = (Column("published_time", "published time"), Column("published_gpu_hours", "GPU-hours"))
NOTES = "Time is that of the optimizer steps."
PUBLISHED_NOTES = " Published: 3 epochs on 8 A100."


def training_table(results: Results) -> Table:
    """T4: what training took. Times are measured; they differ from machine to machine."""
    records = [_record(ablation) for ablation in results.ablations]
    for setting in results.published_only:
        name = f"{RECIPE} {setting['name']}"
        records.append({"ablation": name, "epochs": Number(setting["epochs"]), **_published(setting)})
    seconds = {ablation.name: ablation.training_seconds for ablation in results.ablations}
    times = [f"{name} {value / 60:.1f} minutes" for name, value in seconds.items() if value is not None]
    caption = f"Training, all epochs. {'; '.join(times)}." if times else "Training, all epochs."
    if results.published:
        return Table.from_records("t4_training", caption, (*COLUMNS, *PUBLISHED), records, NOTES + PUBLISHED_NOTES)
    return Table.from_records("t4_training", caption, COLUMNS, records, NOTES)


def _record(ablation: AblationResults) -> dict[str, Cell]:
    train = ablation.settings["train"]
    return {
        "ablation": ablation.name,
        "engine": train["engine"],
        "sequences": train["sequences"],
        "epochs": Number(train["epochs"]),
        "gpus": Number(train["gpus"]),
        **_measured(ablation.last_manifest, train["gpus"]),
        **_published(ablation.published),
    }


def _measured(manifest: CheckpointManifest | None, gpus: int) -> dict[str, Cell]:
    if manifest is None:
        return {}
    seconds, questions = manifest.get("seconds"), manifest.get("questions")
    return {
        "steps": number_or_none(manifest.get("steps")),
        "questions": number_or_none(questions),
        "device": manifest.get("device"),
        "seconds": number_or_none(seconds, 1),
        "questions_per_second": Number(questions / seconds, 2) if seconds and questions else None,
        "gpu_hours": None if seconds is None else Number(seconds * gpus / 3600, 3),
    }


def _published(setting: PublishedSetting | None) -> dict[str, Cell]:
    if setting is None:
        return {}
    gpu_hours = setting["training_seconds"] * setting["gpus"] / 3600
    return {"published_time": setting["training_time"], "published_gpu_hours": Number(gpu_hours, 3)}
