"""Checks of what this machine has: the model, a token, GPUs. They aren't in preflight.json, which is the same wherever it is
made (training would be stale on another machine), but looked at anew whenever a plan is shown."""

from pathlib import Path

from roadtrain import gpus
from roadtrain.model.hub import download_command, needs_token
from roadtrain.train.preflight.checks import Check, checked_as
from roadtrain.train.preflight.model_files import find_model

NVIDIA = Path("/proc/driver/nvidia/gpus")


def machine_checks(model: str, gpu_count: int) -> list[Check]:
    """`gpu_count`: what the run asks for; 0: a CPU."""
    return [_model_is_there(model), _token_for_gated_model(model), _gpus_are_there(gpu_count)]


def _model_is_there(model: str) -> Check:
    place = find_model(model)
    if place.state == "elsewhere":
        remedy = f"download it: {download_command(model)}"
        return Check("model-is-there", "not checked", f"{place.words}: download by {remedy.partition(': ')[2]}", remedy)
    remedy = "set model to a folder with config.json and *.safetensors, or to a name on the Hugging Face hub"
    return checked_as("model-is-there", place.state == "here", place.words, remedy)


def _token_for_gated_model(model: str) -> Check:
    name, remedy = "token-for-gated-model", "accept the model's terms on Hugging Face and set HF_TOKEN"
    if find_model(model).state != "elsewhere":
        return Check(name, "ok", f"{model}: nothing to download", remedy)
    if needs_token(model):
        return Check(name, "problem", f"{model}: gated, and neither HF_TOKEN nor a login is there", remedy)
    if model.startswith("nvidia/"):
        return Check(name, "ok", f"{model}: gated, and a token is there", remedy)
    return Check(name, "not checked", f"{model}: only the hub knows whether it is gated", remedy)


def _gpus_are_there(count: int) -> Check:
    """A run may be planned on another machine than it trains on: too few here are no problem of the run."""
    name, remedy = "gpus-are-there", "train on a machine that has them, or lower train.gpus"
    if count == 0:
        return Check(name, "ok", "train.gpus: 0: none is needed", remedy)
    names = gpus.visible()
    here = f"{len(names)} GPU{'' if len(names) == 1 else 's'} here" + (f" ({_models()})" if names else "")
    if len(names) >= count:
        return Check(name, "ok", f"train.gpus: {count}: {here}", remedy)
    return Check(name, "not checked", f"train.gpus: {count}: {here}: training would have to run elsewhere", remedy)


def _models() -> str:
    """What the driver calls the machine's GPUs."""
    names = set()
    for file in NVIDIA.glob("*/information"):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        names |= {line.partition(":")[2].strip() for line in lines if line.startswith("Model:")}
    return ", ".join(sorted(names)) or "of a kind that the driver doesn't say"
