"""The launch manifests of a checkpoint, and manifest.json: what is launched, and why that was allowed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, get_args

from roadtrain.deploy.contents import MANIFEST, TEMPLATES
from roadtrain.deploy.quoting import template_environment
from roadtrain.evaluate.accuracy import Accuracy, read_accuracy
from roadtrain.files import write_json, write_text
from roadtrain.model.checkpoints import CheckpointManifest
from roadtrain.quantize.gate import Gate, Verdict, read_gate
from roadtrain.spec.deploy import Deploy
from roadtrain.spec.quantize import Precision


class DeployedAccuracy(TypedDict):
    """How good the deployed checkpoint is, as its accuracy JSON says."""

    accuracy: float
    ci95: list[float]
    total_questions: int


class Verification(TypedDict):
    """Whose answers the accuracy, or the gate's verdict, is about."""

    how: str  # offline, served: deploy.verify
    engine: str | None  # local, vllm, vllm-server; None: an accuracy of an earlier release
    software: dict[str, str]  # {package: version}


class DeployedVerdict(Verdict):
    """The gate's verdict with what it was measured against."""

    max_accuracy_drop: float
    min_scenarios: int
    baseline: str


class DeployManifest(TypedDict):
    """deploy/manifest.json: which checkpoint is deployed, and why it may be."""

    run: str
    ablation: str
    checkpoint: str
    precision: str
    weights: str
    sha256: str
    files: dict[str, str]
    base_model: str
    epoch: int
    spec_hash: str
    accuracy: DeployedAccuracy
    gate: DeployedVerdict | None  # None: not a quantized checkpoint
    verified: Verification
    allow_failed_gate: bool
    allow_undecided_gate: bool
    videos_a_prompt: int  # that a server takes; pictures it takes none
    deploy: dict[str, Any]  # the spec's section
    software: dict[str, str]


def check_gate(checkpoint: str, gate_file: str, settings: Deploy) -> DeployedVerdict | None:
    """The precision's verdict, None for a checkpoint that wasn't quantized. Raises ValueError for one that failed or is
    undecided, unless `settings` allow that, and for a quantized one that nobody judged."""
    gate: Gate = read_gate(gate_file)
    verdict = gate["precisions"].get(checkpoint)
    if verdict is None and checkpoint in get_args(Precision):
        others = f", only on {', '.join(gate['precisions'])}" if gate["precisions"] else ""
        raise ValueError(f"{gate_file}: no verdict on {checkpoint}{others}: make it (snakemake quantize)")
    if verdict is None:
        return None
    if settings.verify == "served" and "served" not in verdict:
        raise ValueError(
            f"{gate_file}: {checkpoint} was judged by its offline answers, and the spec says deploy.verify: served: make the gate again"
            " (the target quantize)"
        )
    if "outcome" not in verdict:
        raise ValueError(f"{gate_file}: written before 0.3, without an outcome: make it again (the target quantize)")
    if verdict["outcome"] == "failed" and not settings.allow_failed_gate:
        raise ValueError(
            f"{gate_file}: {checkpoint} is not deployed: {verdict['in_words']}."
            " Raise what may be lost (quantize.max_accuracy_drop, max_caption_drop), choose another precision, or say deploy.allow_failed_gate: true in the spec"
        )
    if verdict["outcome"] == "undecided" and not settings.allow_undecided_gate:
        raise ValueError(
            f"{gate_file}: {checkpoint} is not deployed: {verdict['in_words']}."
            " Validate on more scenarios, raise quantize.max_accuracy_drop (or lower quantize.min_scenarios), or say"
            " deploy.allow_undecided_gate: true in the spec"
        )
    return {
        **verdict,
        "max_accuracy_drop": gate["max_accuracy_drop"],
        "min_scenarios": gate["min_scenarios"],
        "baseline": gate["baseline"],
    }


def accuracy_of(checkpoint: str, files: Sequence[str]) -> Accuracy:
    """Raises ValueError when several are given and none is the checkpoint's."""
    by_name = {Path(file).stem: file for file in files}
    if len(files) > 1 and checkpoint not in by_name:
        raise ValueError(f"--accuracy: none of {', '.join(by_name)} is that of {checkpoint}")
    return read_accuracy(by_name.get(checkpoint, files[0]))


def deploy_manifest(
    run: str,
    ablation: str,
    spec_hash: str,
    settings: Deploy,
    checkpoint: CheckpointManifest,
    accuracy: Accuracy,
    verdict: DeployedVerdict | None,
    videos: int,
) -> DeployManifest:
    """The JSON of manifest.json. Raises ValueError for an adapter alone: NIM for VLMs 1.x takes whole weights only ("PEFT is
    not supported", its release notes)."""
    if not checkpoint.get("adapter", {"merged": True})["merged"]:
        raise ValueError(
            f"{checkpoint['path']}: an adapter alone, which NIM for VLMs 1.x doesn't serve: set train.lora.merge: true, or"
            " deploy.checkpoint: quantized (docs/lora.md says what serves an adapter beside its base)"
        )
    return {
        "run": run,
        "ablation": ablation,
        "checkpoint": checkpoint["checkpoint"],
        "precision": checkpoint["precision"],
        "weights": checkpoint["path"],
        "sha256": checkpoint["sha256"],
        "files": checkpoint["files"],
        "base_model": checkpoint["base_model"],
        "epoch": checkpoint["epoch"],
        "spec_hash": spec_hash,
        "accuracy": {
            "accuracy": accuracy["accuracy"],
            "ci95": accuracy["ci95"],
            "total_questions": accuracy["total_questions"],
        },
        "gate": verdict,
        "verified": verification(accuracy, verdict),
        "allow_failed_gate": settings.allow_failed_gate,
        "allow_undecided_gate": settings.allow_undecided_gate,
        "videos_a_prompt": videos,
        "deploy": settings.model_dump(mode="json"),
        "software": checkpoint["software"],
    }


def verification(accuracy: Accuracy, verdict: DeployedVerdict | None) -> Verification:
    """Which engine and release answered."""
    if verdict is not None and (served := verdict.get("served")):
        return {"how": "served", "engine": served["engine"], "software": served["software"]}
    source: Any = accuracy.get("computed_from", {})
    return {"how": "offline", "engine": source.get("engine"), "software": source.get("software", {})}


def write_launchers(
    manifest: DeployManifest, settings: Deploy, vllm_command: Sequence[str], templates: str, directory: Path
) -> None:
    """Every file of the contract. Everything from the spec is quoted by the rules of the language it is written into;
    no path of this machine gets in. `vllm_command`: what Python runs in vLLM's container (serving.container_command)."""
    values = {
        "checkpoint": manifest["checkpoint"],
        "weights": manifest["weights"],
        "run": manifest["run"],
        "ablation": manifest["ablation"],
        "image": split_image(settings.nim_image),
        "gpu_request": str(settings.gpus),
        "vllm_command": vllm_command,
        "videos": manifest["videos_a_prompt"],
        **settings.model_dump(),
    }
    env = template_environment(templates)
    for name in TEMPLATES:
        write_text(directory / name, env.get_template(f"{name}.j2").render(values))
    (directory / "docker.sh").chmod(0o755)
    write_json(directory / MANIFEST, manifest)


def split_image(image: str) -> dict[str, str]:
    """repository and tag of an image name; the port of a registry isn't a tag."""
    repository, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:
        return {"repository": image, "tag": "latest"}
    return {"repository": repository, "tag": tag}
