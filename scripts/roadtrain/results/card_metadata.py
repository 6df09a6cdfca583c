"""The front matter of a model card: what the hub reads of it.

Format: https://huggingface.co/docs/hub/model-cards#model-card-metadata and, of `model-index`, huggingface_hub's EvalResult,
which a test reads it back with.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from roadtrain.evaluate.accuracy import Accuracy
from roadtrain.model.hub import name_and_revision
from roadtrain.results.reader import AblationResults
from roadtrain.spec.card import Card

TASK = "video-text-to-text"  # https://huggingface.co/tasks
TAGS = ("video", "traffic", "visual-question-answering", "roadtrain")
DIGITS = 4  # of a share


def front_matter(ablation: AblationResults, checkpoint: str, card: Card) -> str:
    """YAML between its two lines of dashes."""
    text = yaml.safe_dump(metadata(ablation, checkpoint, card), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n"


def metadata(ablation: AblationResults, checkpoint: str, card: Card) -> dict[str, Any]:
    """Keys that nobody can fill are left out: the hub takes none for no answer."""
    adapter_only = is_adapter_only(ablation, checkpoint)
    relation = "adapter" if adapter_only else "quantized" if checkpoint in ablation.results.precisions else "finetune"
    base = base_name(ablation)
    tags = [*TAGS, *(["lora"] if ablation.settings["train"].get("lora") else [])]
    if checkpoint in ablation.results.precisions:
        tags += ["compressed-tensors", checkpoint]
    values: dict[str, Any] = {
        "license": card.license,
        "license_name": card.license_name,
        "license_link": card.license_link,
        "base_model": base,
        "base_model_relation": relation if base else None,
        "datasets": list(card.datasets),
        "library_name": "peft" if adapter_only else "transformers",
        "pipeline_tag": TASK,
        "tags": tags,
        "model-index": [{"name": model_name(ablation, checkpoint), "results": [_result(ablation, checkpoint, card)]}],
    }
    return {key: value for key, value in values.items() if value not in (None, [])}


def model_name(ablation: AblationResults, checkpoint: str) -> str:
    """wts-environment-nframes8-epoch_2"""
    return f"{ablation.results.run}-{ablation.name}-{checkpoint}"


def is_adapter_only(ablation: AblationResults, checkpoint: str) -> bool:
    """Whether a checkpoint is a LoRA without its base."""
    manifest = ablation.manifest(checkpoint)
    return bool(manifest) and not manifest.get("adapter", {"merged": True})["merged"] if manifest else False


def base_name(ablation: AblationResults) -> str | None:
    """What the hub calls the base model; None for a folder of somebody's machine."""
    model, manifest = ablation.settings["model"], ablation.manifest("zero_shot")
    name, _ = name_and_revision(model)
    local = manifest is not None and manifest["path"] == Path(model).as_posix()
    return name if not local and re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name) else None


def _result(ablation: AblationResults, checkpoint: str, card: Card) -> dict[str, Any]:
    accuracy = ablation.accuracy(checkpoint)
    run = ablation.results.run
    return {
        "task": {"type": TASK, "name": "Multiple-choice questions about traffic video"},
        "dataset": {
            "type": card.datasets[0] if card.datasets else run,
            "name": f"{run}, validation",
            "split": "validation",
            "args": {"conversations_sha256": ablation.results.conversation_hashes["val"]},
        },
        "metrics": _metrics(accuracy),
    }


def _metrics(accuracy: Accuracy) -> list[dict[str, Any]]:
    args = {
        "questions": accuracy["total_questions"],
        "scenarios": accuracy["interval"]["scenarios"],
        "ci95": [round(bound, DIGITS) for bound in accuracy["ci95"]],
    }
    return [
        {"type": "accuracy", "name": "Accuracy", "value": round(accuracy["accuracy"], DIGITS), "args": args},
    ]
