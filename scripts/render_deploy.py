#!/usr/bin/env python3
"""Write the launch manifests of a checkpoint: docker.sh, compose.yaml, nimservice.yaml, deployment.yaml,
vss.env, manifest.json.

Inputs: the checkpoint's manifest, its accuracy and the gate. A quantized checkpoint that failed the gate is refused
(exit code 1, with the numbers) unless the spec says deploy.allow_failed_gate: true; then manifest.json says so.
Everything from the spec is quoted by the rules of the language it is written into; no path of this machine gets in.
"""

import argparse
import json
import re
import shlex
from pathlib import Path

import jinja2

from roadtrain import cli
from roadtrain.files import read_json, write_json, write_text
from roadtrain.spec.arguments import add_section
from roadtrain.spec.deploy import Deploy

FILES = ("docker.sh", "compose.yaml", "nimservice.yaml", "deployment.yaml", "vss.env")


def yaml_text(value: object) -> str:
    """A double-quoted YAML scalar. JSON's strings are YAML's, and quoted ones are never read as booleans."""
    return json.dumps(str(value))


def dollar(value: object) -> str:
    """Compose replaces $NAME in values; $$ is a dollar sign."""
    return str(value).replace("$", "$$")


def dns_label(value: str) -> str:
    """A name that Kubernetes takes (RFC 1123): lower case, digits and dashes, at most 63 characters."""
    label = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:63].strip("-")
    return label or "roadtrain"


def container_name(value: str) -> str:
    """A name that Docker takes: [a-zA-Z0-9][a-zA-Z0-9_.-]+"""
    name = re.sub(r"[^a-zA-Z0-9_.-]+", "-", value).lstrip("_.-")
    return name if len(name) > 1 else f"roadtrain-{name}"


def environment(templates: str) -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        trim_blocks=True,
    )
    env.filters |= {
        "sh": lambda value: shlex.quote(str(value)),
        "yaml": yaml_text,
        "compose": lambda value: yaml_text(dollar(value)),
        "dollar": dollar,
        "dollar_k8s": lambda value: str(value).replace("$(", "$$("),  # Kubernetes replaces $(NAME) in env values
        "k8s": dns_label,
        "container": container_name,
        "env": lambda value: shlex.quote(str(value)),
        "comment": lambda value: re.sub(r"[\x00-\x1f\x7f]", " ", str(value)),
    }
    return env


def split_image(image: str) -> dict[str, str]:
    """repository and tag of an image name; the port of a registry isn't a tag."""
    repository, found, tag = image.rpartition(":")
    if not found or "/" in tag:
        return {"repository": image, "tag": "latest"}
    return {"repository": repository, "tag": tag}


def check_gate(checkpoint: str, gate: dict, gate_file: str, allowed: bool) -> dict | None:
    """The precision's verdict, None for a checkpoint that wasn't quantized. Raises ValueError for a failed one."""
    verdict = gate["precisions"].get(checkpoint)
    if verdict is not None and not verdict["passed"] and not allowed:
        raise ValueError(
            f"{gate_file}: {checkpoint} is not deployed: {verdict['in_words']}."
            " Raise quantize.max_accuracy_drop, choose another precision, or say deploy.allow_failed_gate: true in the spec"
        )
    return verdict


def accuracy_of(checkpoint: str, paths: list[str]) -> dict:
    """Raises ValueError when several are given and none is the checkpoint's."""
    found = {Path(path).stem: path for path in paths}
    if len(paths) > 1 and checkpoint not in found:
        raise ValueError(f"--accuracy: none of {', '.join(found)} is that of {checkpoint}")
    return read_json(found.get(checkpoint, paths[0]))


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="manifest of the checkpoint that is deployed, or best.json")
    parser.add_argument("--gate", required=True, help="gate.json")
    parser.add_argument(
        "--accuracy", required=True, nargs="+", help="accuracy JSON; of several, that of the checkpoint is taken"
    )
    add_section(parser, "deploy", Deploy)
    parser.add_argument("--run", required=True)
    parser.add_argument("--ablation", required=True)
    parser.add_argument("--spec-hash", required=True)
    parser.add_argument("--templates", default="templates", help="default: %(default)s")
    parser.add_argument("--output-dir", required=True, type=Path)
    args = parser.parse_args()

    deploy = args.deploy
    checkpoint, gate = read_json(args.checkpoint), read_json(args.gate)
    if "manifest" in checkpoint:  # best.json
        checkpoint = read_json(checkpoint["manifest"])
    accuracy = accuracy_of(checkpoint["checkpoint"], args.accuracy)
    verdict = check_gate(checkpoint["checkpoint"], gate, args.gate, deploy.allow_failed_gate)
    values = {
        "checkpoint": checkpoint["checkpoint"],
        "weights": checkpoint["path"],
        "run": args.run,
        "ablation": args.ablation,
        "image": split_image(deploy.nim_image),
        "gpu_request": str(deploy.gpus),
        **deploy.model_dump(),
    }
    env = environment(args.templates)
    for name in FILES:
        write_text(args.output_dir / name, env.get_template(f"{name}.j2").render(values))
    (args.output_dir / "docker.sh").chmod(0o755)
    manifest = {
        "run": args.run,
        "ablation": args.ablation,
        "checkpoint": checkpoint["checkpoint"],
        "precision": checkpoint["precision"],
        "weights": checkpoint["path"],
        "sha256": checkpoint["sha256"],
        "files": checkpoint["files"],
        "base_model": checkpoint["base_model"],
        "epoch": checkpoint["epoch"],
        "spec_hash": args.spec_hash,
        "accuracy": {key: accuracy[key] for key in ("accuracy", "ci95", "total_questions")},
        "gate": verdict and verdict | {"max_accuracy_drop": gate["max_accuracy_drop"], "baseline": gate["baseline"]},
        "allow_failed_gate": deploy.allow_failed_gate,
        "deploy": deploy.model_dump(mode="json"),
        "software": checkpoint["software"],
    }
    write_json(args.output_dir / "manifest.json", manifest)


if __name__ == "__main__":
    main()
