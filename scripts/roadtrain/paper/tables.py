"""The paper's tables T1 to T6, built from a run's results. Published values stand in columns of their own.

Rows that start with the recipe's name are published settings that this run doesn't have: they are there for the
comparison, with our columns empty.
"""

from typing import Any

from roadtrain.frames.sampling import sample
from roadtrain.paper.table import Column, Number, Table
from roadtrain.results.published import not_run, published, published_setting
from roadtrain.results.run import (
    AblationResults,
    Results,
    checkpoints_of,
    describe_checkpoint,
    describe_vision,
)

RECIPE = "recipe"
# The published arithmetic is for a video of 75 s and 1920x1080; at 30 frames a second it samples 74 frames at fps 1.
_FPS = 30


def points(share: float, digits: int = 2, signed: bool = False) -> Number:
    """A share as percent (or a difference of shares as percentage points)."""
    return Number(share * 100, digits, signed)


def p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def data_table(results: Results) -> Table:
    """T1: what the data is, by split and task."""
    rows, said = [], published()["data"]
    splits = results.audit["splits"]
    for split, part in splits.items():
        videos = part["videos"]
        known = said.get(split, {}) if results.audit["tasks"] == ["environment"] else {}
        for task, counts in part["tasks"].items():
            rows.append(
                [
                    split,
                    task,
                    Number(counts["scenarios"]),
                    Number(counts["videos"]),
                    Number(counts["entries"]),
                    None if videos["mean_seconds"] is None else Number(videos["mean_seconds"], 1),
                    _most(videos["resolutions"]),
                    Number(videos["bad"]),
                    Number(part["left_out"]["total"]),
                    _number(known.get("videos")),
                    known.get("questions"),
                    _number(known.get("mean_seconds")),
                ]
            )
    asked = {split: sum(task["entries"] for task in part["tasks"].values()) for split, part in splits.items()}
    caption = (
        f"Data of the run {results.run}: "
        + "; ".join(f"{asked[s]:,} questions about {splits[s]['videos']['good']:,} videos in {s}" for s in splits)
        + "."
    )
    columns = [
        Column("split", "split"),
        Column("task", "task"),
        Column("scenarios", "scenarios"),
        Column("videos", "videos"),
        Column("questions", "questions"),
        Column("mean_seconds", "mean length (s)"),
        Column("resolution", "resolution"),
        Column("bad_videos", "bad videos"),
        Column("questions_left_out", "left out"),
        Column("published_videos", "published: videos"),
        Column("published_questions", "questions"),
        Column("published_mean_seconds", "mean length (s)"),
    ]
    notes = "Lengths, resolutions and bad videos are of the whole split. The most frequent resolution is given."
    return Table("t1_data", "T1 Data", caption, columns, rows, notes)


def tokens_table(results: Results) -> Table:
    """T2: vision tokens a video, by arithmetic and as measured in the frames that the model saw."""
    rows, measured = [], []
    for ablation in results.ablations:
        clips = ablation.frames("val")["clips"] + ablation.frames("train")["clips"]
        tokens, frames = [c["vision_tokens"] for c in clips], [c["frames"] for c in clips]
        sizes = _counted(f"{c['width']}x{c['height']}" for c in clips)
        mean = sum(tokens) / len(tokens)
        measured.append(f"{mean:,.0f} with {ablation.name}")
        rows.append(
            [
                ablation.name,
                describe_vision(ablation.vision),
                _span(frames),
                _most(sizes),
                Number(min(tokens)),
                Number(mean, 1),
                Number(max(tokens)),
                *_arithmetic(ablation.vision),
                *_published_tokens(published_setting(ablation.vision)),
            ]
        )
    for setting in not_run([ablation.vision for ablation in results.ablations]):
        arithmetic = _arithmetic(setting["vision"])
        rows.append([RECIPE, setting["name"], *[None] * 5, *arithmetic, *_published_tokens(setting)])
    video = published()["video"]
    caption = (
        f"Vision tokens a video: measured on the run's clips ({', '.join(measured)}), and by arithmetic for the recipe's"
        f" video of {video['seconds']} s and {video['width']}x{video['height']} pixels, beside the published numbers."
    )
    columns = [
        Column("ablation", "ablation"),
        Column("setting", "setting"),
        Column("frames", "frames"),
        Column("frame_size", "frame size"),
        Column("tokens_min", "tokens: least"),
        Column("tokens_mean", "mean"),
        Column("tokens_max", "most"),
        Column("arithmetic", "arithmetic"),
        Column("computed_tokens", "tokens"),
        Column("published_tokens", "published tokens"),
    ]
    notes = "Two frames make one vision step and 32x32 pixels one token. The most frequent frame size is given."
    return Table("t2_tokens", "T2 Vision tokens", caption, columns, rows, notes)


def accuracy_table(results: Results) -> Table:
    """T3: accuracy of every checkpoint with its interval, published values beside it."""
    rows = []
    for ablation, checkpoint in checkpoints_of(results):
        found = ablation.accuracy(checkpoint)
        setting = published_setting(ablation.vision)
        low, high = found["ci95"]
        rows.append(
            [
                ablation.name,
                checkpoint,
                _epoch(ablation, checkpoint),
                Number(found["total_questions"]),
                points(found["accuracy"]),
                points(low),
                points(high),
                points(found["accuracy_first_capital"]),
                Number(found["unanswered"]),
                "best" if checkpoint == ablation.best["checkpoint"] else None,
                setting["accuracy"].get(checkpoint) if setting else None,
            ]
        )
    for setting in not_run([ablation.vision for ablation in results.ablations]):
        for checkpoint, value in setting["accuracy"].items():
            rows.append([f"{RECIPE} {setting['name']}", checkpoint, Number(int(checkpoint[6:])), *[None] * 7, value])
    columns = [
        Column("ablation", "ablation"),
        Column("checkpoint", "checkpoint"),
        Column("epoch", "epoch"),
        Column("questions", "questions"),
        Column("accuracy", "accuracy (%)"),
        Column("ci_low", "95% from"),
        Column("ci_high", "to"),
        Column("accuracy_first_capital", "recipe's parse (%)"),
        Column("unanswered", "unanswered"),
        Column("chosen", "chosen"),
        Column("published", "published (%)"),
    ]
    notes = (
        "Intervals: bootstrap over scenarios. The best epoch is chosen on these same questions, so its accuracy is"
        " slightly flattered."
    )
    return Table("t3_accuracy", "T3 Accuracy", accuracy_caption(results), columns, rows, notes)


def accuracy_caption(results: Results) -> str:
    """What happened, ablation by ablation, in a sentence each."""
    sentences = []
    for ablation in results.ablations:
        zero, best = ablation.accuracy("zero_shot"), ablation.accuracy(ablation.best["checkpoint"])
        low, high = best["ci95"]
        sentences.append(
            f"{ablation.name}: from {zero['accuracy']:.2%} zero-shot to {best['accuracy']:.2%}"
            f" (95% interval {low:.2%} to {high:.2%}) after {describe_checkpoint(ablation.best['checkpoint'])}"
        )
    return f"Validation accuracy. {'; '.join(sentences)}."


def training_table(results: Results) -> Table:
    """T4: what training took. Times are measured; they differ from machine to machine."""
    rows = []
    for ablation in results.ablations:
        manifest = ablation.manifest(f"epoch_{ablation.epochs}") or {}
        seconds, gpus = manifest.get("seconds"), ablation.settings["train"]["gpus"]
        setting, asked = published_setting(ablation.vision), manifest.get("questions")
        rows.append(
            [
                ablation.name,
                ablation.settings["train"]["engine"],
                ablation.settings["train"]["sequences"],
                _number(ablation.epochs),
                _number(manifest.get("steps")),
                _number(asked),
                manifest.get("device"),
                Number(gpus),
                None if seconds is None else Number(seconds, 1),
                Number(asked / seconds, 2) if seconds and asked else None,
                None if seconds is None else Number(seconds * gpus / 3600, 3),
                *_published_time(setting),
            ]
        )
    for setting in not_run([ablation.vision for ablation in results.ablations]):
        name = f"{RECIPE} {setting['name']}"
        rows.append([name, None, None, Number(setting["epochs"]), *[None] * 7, *_published_time(setting)])
    known = [(a.name, a.manifest(f"epoch_{a.epochs}") or {}) for a in results.ablations]
    spent = [f"{name} {m['seconds'] / 60:.1f} minutes" for name, m in known if "seconds" in m]
    caption = f"Training, all epochs. {'; '.join(spent)}." if spent else "Training, all epochs."
    columns = [
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
        Column("published_time", "published time"),
        Column("published_gpu_hours", "GPU-hours"),
    ]
    notes = "Time is that of the optimizer steps. Published: 3 epochs on 8 A100."
    return Table("t4_training", "T4 Training", caption, columns, rows, notes)


def comparisons_table(results: Results) -> Table:
    """T5: what differs significantly, of the pairs that a reader asks about."""
    found = results.json(results.paths.comparisons)
    rows = []
    for row in pairs_asked_about(results, found["pairs"]):
        low, high = row["ci95"]
        rows.append(
            [
                _side(row["a"]),
                _side(row["b"]),
                Number(row["questions"]),
                points(row["difference"], signed=True),
                points(low, signed=True),
                points(high, signed=True),
                Number(row["only_a"]),
                Number(row["only_b"]),
                p_value(row["mcnemar_midp"]),
                p_value(row["p_scenario"]),
                p_value(row["p_holm"]),
                "yes" if row["significant"] else "no",
            ]
        )
    caption = (
        f"Paired comparisons; {len(rows)} of all {len(found['pairs'])} pairs (comparisons.json has every one),"
        f" {sum(row[-1] == 'yes' for row in rows)} of these differ significantly."
    )
    columns = [
        Column("a", "from"),
        Column("b", "to"),
        Column("questions", "questions"),
        Column("difference", "difference (points)"),
        Column("ci_low", "95% from"),
        Column("ci_high", "to"),
        Column("only_a", "only the first right"),
        Column("only_b", "only the second right"),
        Column("mcnemar_midp", "McNemar mid-p"),
        Column("p_scenario", "p (scenarios)"),
        Column("p_holm", "p (Holm)"),
        Column("significant", "significant"),
    ]
    notes = "Significant: randomization over scenarios, corrected for the number of all pairs (Holm), below 0.05."
    return Table("t5_comparisons", "T5 Comparisons", caption, columns, rows, notes)


def pairs_asked_about(results: Results, pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each checkpoint against the one before it, the best against zero-shot and against its quantized ones, and the
    best ones of two ablations."""
    best = {ablation.name: ablation.best["checkpoint"] for ablation in results.ablations}
    order = {ablation.name: ablation.checkpoints for ablation in results.ablations}

    def asked(a: dict[str, Any], b: dict[str, Any]) -> bool:
        (x, one), (y, two) = ((side["ablation"], side["checkpoint"]) for side in (a, b))
        if x != y:
            return one == best[x] and two == best[y]
        quantized = two in results.precisions
        next_epoch = not quantized and order[x].index(two) == order[x].index(one) + 1
        return next_epoch or (one == "zero_shot" and two == best[x]) or (quantized and one == best[x])

    return [row for row in pairs if asked(row["a"], row["b"])]


def quantization_table(results: Results) -> Table:
    """T6: what quantization saved and cost, and the gate's verdict."""
    rows, verdicts = [], []
    for ablation in results.ablations:
        for precision in results.precisions:
            manifest, gate = ablation.manifest(precision) or {}, ablation.gate["precisions"].get(precision)
            size, parent = manifest.get("bytes"), manifest.get("parent_bytes")
            if gate:
                verdicts.append(
                    f"{ablation.name} {describe_checkpoint(precision)} {'passed' if gate['passed'] else 'FAILED'}"
                )
            rows.append(
                [
                    ablation.name,
                    precision,
                    manifest.get("parent") or ablation.best["checkpoint"],
                    Number(size / 1e6, 2) if size else None,
                    Number(size / parent, 3) if size and parent else None,
                    _number(len(manifest.get("quantized_layers", [])) or None),
                    _number(manifest.get("calibration_videos")),
                    *(
                        [
                            points(gate["accuracy"]),
                            points(gate["difference"], signed=True),
                            points(gate["lower_bound"], signed=True),
                        ]
                        if gate
                        else [None] * 3
                    ),
                    points(ablation.gate["max_accuracy_drop"]),
                    None if gate is None else "passed" if gate["passed"] else "failed",
                ]
            )
    caption = (
        f"Quantization of the best epoch. The gate: {', '.join(verdicts)}."
        if verdicts
        else "No precision was asked for."
    )
    columns = [
        Column("ablation", "ablation"),
        Column("precision", "precision"),
        Column("parent", "made from"),
        Column("megabytes", "size (MB)"),
        Column("size_ratio", "of its parent"),
        Column("layers", "layers"),
        Column("calibration_videos", "calibration videos"),
        Column("accuracy", "accuracy (%)"),
        Column("difference", "difference (points)"),
        Column("lower_bound", "at worst (95%)"),
        Column("allowed", "may lose (points)"),
        Column("gate", "gate"),
    ]
    notes = "At worst: one-sided 95% bound of the paired difference, bootstrap over scenarios."
    return Table("t6_quantization", "T6 Quantization", caption, columns, rows, notes)


TABLES = {
    "t1_data": data_table,
    "t2_tokens": tokens_table,
    "t3_accuracy": accuracy_table,
    "t4_training": training_table,
    "t5_comparisons": comparisons_table,
    "t6_quantization": quantization_table,
}


def _number(value: float | None) -> Number | None:
    return None if value is None else Number(value)


def _counted(values) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def _most(counts: dict[str, int]) -> str | None:
    """The most frequent, and how many others there are."""
    if not counts:
        return None
    name = min(counts, key=lambda key: (-counts[key], key))
    return name if len(counts) == 1 else f"{name} (+{len(counts) - 1} others)"


def _span(values: list[int]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)}-{max(values)}"


def _epoch(ablation: AblationResults, checkpoint: str) -> Number:
    if checkpoint in ablation.of.precisions:
        return Number(ablation.best["epoch"])
    return Number(0 if checkpoint == "zero_shot" else int(checkpoint.removeprefix("epoch_")))


def _arithmetic(vision: dict[str, Any]) -> list[str | Number]:
    """(the sum in words, tokens) for the recipe's video."""
    video = published()["video"]
    # The recipe samples 74 of 75 s ("rounded to the nearest even number"): qwen-vl-utils rounds down to an even count.
    seen = sample(vision, total_frames=video["seconds"] * _FPS, fps=_FPS, height=video["height"], width=video["width"])
    return [f"{len(seen.indices)}/2 × {seen.width}x{seen.height}/1024", Number(seen.vision_tokens)]


def _published_tokens(setting: dict[str, Any] | None) -> list[Number | None]:
    return [Number(setting["vision_tokens"]) if setting else None]


def _published_time(setting: dict[str, Any] | None) -> list[str | Number | None]:
    if setting is None:
        return [None, None]
    return [setting["training_time"], Number(setting["training_seconds"] * setting["gpus"] / 3600, 3)]


def _side(side: dict[str, Any]) -> str:
    return f"{side['ablation']} {describe_checkpoint(side['checkpoint'])}"
