"""A model card: README.md of an exported checkpoint, written from the run's files when it was evaluated.

It lies among the results, not in the checkpoint's folder: there it would change the checkpoint's hash, and all that rests on
it. push.py puts both together.
"""

import json
from collections.abc import Mapping
from typing import Any

from roadtrain.data.audit_json import leak_sentence
from roadtrain.files import markdown_table
from roadtrain.markup import markdown_text, quantity
from roadtrain.paths import MAJORITY, TEXT_ONLY
from roadtrain.results.card_metadata import base_name, front_matter, is_adapter_only, model_name
from roadtrain.results.reader import AblationResults
from roadtrain.results.words import describe_checkpoint, describe_vision, interval_in_percent, percent, percent_range
from roadtrain.spec.card import UNFILLED, Card
from roadtrain.train.share import share_sentence

WEAKEST = 5  # groups of questions that are named
SETTINGS = (
    "engine",
    "sequences",
    "epochs",
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup_steps",
    "share",
    "seed",
    "freeze",
    "lora",
)


def card_text(ablation: AblationResults, checkpoint: str, card: Card) -> str:
    """The whole card. Raises FileNotFoundError where the checkpoint wasn't evaluated."""
    parts = [
        f"# {markdown_text(model_name(ablation, checkpoint))}",
        _summary(ablation, checkpoint),
        "## Base model",
        _base(ablation),
        "## Data",
        _data(ablation, card),
        "## Setting",
        _setting(ablation, checkpoint),
        "## Metrics",
        _metrics(ablation, checkpoint),
        "## Intended use and limits",
        _limits(ablation, checkpoint, card),
        "## How to load",
        _loading(ablation, checkpoint),
        "## Licences",
        _licences(card),
    ]
    return front_matter(ablation, checkpoint, card) + "\n" + "\n\n".join(parts) + "\n"


def _summary(ablation: AblationResults, checkpoint: str) -> str:
    accuracy = ablation.accuracy(checkpoint)
    how = "LoRA" if ablation.settings["train"].get("lora") else "post-training"
    kind = f"{describe_checkpoint(checkpoint)} of {how}"
    if checkpoint in ablation.results.precisions:
        kind = f"{describe_checkpoint(checkpoint)} of {describe_checkpoint(_parent(ablation, checkpoint))}"
    if is_adapter_only(ablation, checkpoint):
        kind += ", an adapter that needs its base model"
    return (
        f"A video-language model for questions about traffic video: {kind}."
        f" It answers {percent(accuracy['accuracy'])} of {quantity(accuracy['total_questions'], 'validation question')}"
        f" right ({interval_in_percent(accuracy['ci95'])}, {quantity(accuracy['interval']['scenarios'], 'scenario')});"
        f" its base model answers {percent(ablation.zero_shot_accuracy['accuracy'])}."
        " Written by Roadtrain from the run's files."
    )


def _parent(ablation: AblationResults, precision: str) -> str:
    manifest = ablation.manifest(precision)
    return manifest.get("parent", ablation.best["checkpoint"]) if manifest else ablation.best["checkpoint"]


def _base(ablation: AblationResults) -> str:
    manifest = ablation.manifest("zero_shot")
    where = "" if base_name(ablation) else " (a folder, not a name on the hub)"
    digest = f", sha256 of its files `{manifest['sha256']}`" if manifest else ""
    return f"{markdown_text(ablation.settings['model'])}{where}{digest}."


def _data(ablation: AblationResults, card: Card) -> str:
    audit = ablation.results.audit
    rows = [
        [
            markdown_text(split),
            f"{part['questions']:,}",
            f"{part['videos']['good']:,}",
            f"{part['scenarios']:,}",
            f"`{ablation.results.conversation_hashes[split]}`",
        ]
        for split, part in audit["splits"].items()
    ]
    table = markdown_table(
        ("split", "questions", "videos", "scenarios", "sha256 of the conversations"), rows, [False, *[True] * 3, False]
    )
    names = f" On the hub: {', '.join(markdown_text(name) for name in card.datasets)}." if card.datasets else ""
    source = (
        f"Source {audit['source']}, question sets {', '.join(audit['tasks'])}."
        if audit["tasks"]
        else f"Source {audit['source']}."
    )
    words = [f"{markdown_text(source)}{names}", leak_sentence(audit["leaks"]), share_sentence(ablation.training_set)]
    return f"{' '.join(word for word in words if word)}\n\n{table}".rstrip()


def _setting(ablation: AblationResults, checkpoint: str) -> str:
    train: Mapping[str, Any] = ablation.settings["train"]
    manifest = ablation.manifest(checkpoint)
    rows = [
        ["vision", markdown_text(describe_vision(ablation.vision))],
        ["system prompt", markdown_text(ablation.results.spec["data"]["system_prompt"])],
        *([f"train.{key}".replace("_", r"\_"), markdown_text(_value(train[key]))] for key in SETTINGS if key in train),
        ["spec hash", f"`{ablation.settings['spec_hash']}`"],
        ["checkpoint", f"`{manifest['sha256']}`" if manifest else "–"],
    ]
    software = manifest.get("software", {}) if manifest else {}
    rows += (
        [["software", markdown_text(", ".join(f"{name} {version}" for name, version in software.items()))]]
        if software
        else []
    )
    return markdown_table(("", ""), rows).rstrip()


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _metrics(ablation: AblationResults, checkpoint: str) -> str:
    names = {"zero_shot": "base model, zero-shot", MAJORITY: "majority answer of the training questions"}
    names |= {TEXT_ONLY: "best epoch without media"}
    order = ["zero_shot", *ablation.results.baselines]
    order += [_parent(ablation, checkpoint)] if checkpoint in ablation.results.precisions else []
    rows = []
    for name in (*order, checkpoint):
        accuracy = ablation.accuracy(name)
        words = names.get(name, describe_checkpoint(name))
        rows.append(
            [
                f"**{words}**" if name == checkpoint else words,
                percent(accuracy["accuracy"]),
                percent_range(accuracy["ci95"]),
                f"{accuracy['total_questions']:,}",
                f"{accuracy['unanswered']:,}",
            ]
        )
    chance = ablation.accuracy(checkpoint).get("chance")
    table = markdown_table(
        ("checkpoint", "accuracy", "95% interval", "questions", "unanswered"), rows, [False, True, False, True, True]
    )
    guessing = f"Guessing would be right on {percent(chance)}. " if chance is not None else ""
    words = f"{guessing}Intervals: bootstrap over scenarios."
    if verdict := ablation.gate["precisions"].get(checkpoint):
        words += f" The gate against {describe_checkpoint(ablation.gate['baseline'])}: {verdict['in_words']}."
    return f"{table}\n{words}"


def _limits(ablation: AblationResults, checkpoint: str, card: Card) -> str:
    accuracy = ablation.accuracy(checkpoint)
    groups = accuracy["by_type"]
    weakest = sorted(groups, key=lambda name: (groups[name]["accuracy"], name))[:WEAKEST]
    listed_groups = "; ".join(
        f"{markdown_text(name)} {percent(groups[name]['accuracy'])} of {quantity(groups[name]['total_questions'], 'question')}"
        for name in weakest
    )
    points = [
        "For multiple-choice questions about clips like those of its training data: their cameras, roads and weather, their"
        " questions and options." + (f" {markdown_text(card.intended_use)}" if card.intended_use else ""),
        "Not for steering vehicles or signals, nor for decisions about people (who they are, whose fault it was): it was"
        " measured on neither.",
        f"Accuracy is known on {quantity(accuracy['interval']['scenarios'], 'scenario')} only. "
        + (
            "The epoch was chosen on these same questions, which flatters it slightly."
            if _chosen(ablation, checkpoint)
            else "No choice was made by this checkpoint's accuracy."
        ),
        f"Weakest groups of questions: {listed_groups}.",
        "It was not measured on free text: descriptions and explanations may be wrong.",
    ]
    calibrated = accuracy.get("calibration")
    if calibrated:
        points.append(
            f"Its probabilities are off by {percent(calibrated['ece'])} on average (expected calibration error over"
            f" {quantity(calibrated['questions'], 'answer')})."
        )
    return "\n".join(f"- {point}" for point in points)


def _chosen(ablation: AblationResults, checkpoint: str) -> bool:
    return checkpoint == ablation.best["checkpoint"] or checkpoint in ablation.results.precisions


def _loading(ablation: AblationResults, checkpoint: str) -> str:
    vision = json.dumps(ablation.vision)
    ask = (
        "With Roadtrain, which shows it the frames that it was trained on:\n\n"
        f"    python scripts/ask.py --checkpoint FOLDER --vision '{vision}' --video clip.mp4 --question \"..\"\n"
    )
    if is_adapter_only(ablation, checkpoint):
        base = base_name(ablation) or "BASE"
        code = (
            "    from peft import PeftModel\n"
            "    from transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            f'    base = AutoModelForImageTextToText.from_pretrained("{base}", dtype="auto")\n'
            '    model = PeftModel.from_pretrained(base, "FOLDER")\n'
            '    processor = AutoProcessor.from_pretrained("FOLDER")\n'
        )
    else:
        code = (
            "    from transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            '    model = AutoModelForImageTextToText.from_pretrained("FOLDER", dtype="auto")\n'
            '    processor = AutoProcessor.from_pretrained("FOLDER")\n'
        )
    needs = " (needs the package compressed-tensors)" if checkpoint in ablation.results.precisions else ""
    return f"{ask}\nWith transformers{needs}:\n\n{code}".rstrip()


def _licences(card: Card) -> str:
    license_words = card.license_name or card.license
    link = f" ({markdown_text(card.license_link)})" if card.license_link else ""
    model = f"{markdown_text(license_words)}{link}" if license_words else f"{UNFILLED}: card.license"
    data = markdown_text(card.data_license) if card.data_license else f"{UNFILLED}: card.data_license"
    return f"- of this model: {model}\n- of the training data: {data}\n- The base model's licence holds for what is made from it."
