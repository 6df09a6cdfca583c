"""Launch files as render_deploy.py writes them, and what reads them: a stand-in docker, the schemas of Compose and Kubernetes."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import yaml

from support.programs import ROOT, run_program

ACCURACY = {"accuracy": 0.9, "ci95": [0.88, 0.92], "total_questions": 100}
CHECKPOINT = {
    "checkpoint": "fp8",
    "path": "weights/r/a/fp8",
    "sha256": "ab",
    "files": {"config.json": "cd"},
    "precision": "fp8",
    "epoch": 2,
    "step": 4,
    "base_model": "b",
    "software": {"torch": "2"},
}


def deploy(
    root: Path, outcome: str = "passed", options: dict | None = None, served: dict | None = None, **settings
) -> subprocess.CompletedProcess:
    """`options`: of the program, beside those that every test needs."""
    verdict = {"outcome": outcome, "passed": outcome == "passed", "in_words": "accuracy 0.7000 against 0.9000"}
    verdict |= {"served": served} if served else {}
    gate = {"baseline": "epoch_2", "max_accuracy_drop": 0.01, "min_scenarios": 20, "precisions": {"fp8": verdict}}
    for name, value in {"checkpoint": CHECKPOINT, "gate": gate, "accuracy": ACCURACY}.items():
        (root / f"{name}.json").write_text(json.dumps(value))
    return run_program(
        "render_deploy.py",
        checkpoint=root / "checkpoint.json",
        gate=root / "gate.json",
        accuracy=root / "accuracy.json",
        deploy=json.dumps(settings),
        run="r",
        ablation="a",
        spec_hash="h",
        output_dir=root / "results/r/a/deploy",
        **(options or {}),
    )


def conversations(path: Path, *videos: int) -> Path:
    """A LLaVA file with an entry about so many videos each, and one about pictures."""
    names = [[f"{n}.mp4" for n in range(count)] for count in videos]
    about: list[dict] = [{"video": of if len(of) > 1 else of[0]} for of in names]
    about.append({"image": [f"{n}.png" for n in range(7)]})
    path.write_text(json.dumps([{"id": str(n)} | media for n, media in enumerate(about)]))
    return path


def launched(root: Path) -> list[str]:
    """docker.sh run with a stand-in docker that records its arguments."""
    weights = root / "weights/r/a/fp8"
    weights.mkdir(parents=True, exist_ok=True)
    (weights / "config.json").write_text("{}")
    docker = root / "bin/docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text('#!/bin/bash\nprintf "%s\\0" "$@" > "$RECORD"\n')
    docker.chmod(0o755)
    env = os.environ | {"PATH": f"{docker.parent}:{os.environ['PATH']}", "RECORD": str(root / "argv")}
    process = subprocess.run(
        [root / "results/r/a/deploy/docker.sh"],
        cwd=root,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert process.returncode == 0, process.stderr
    return (root / "argv").read_text().split("\0")[:-1]


def valid(here: Path) -> None:
    """Every manifest against the schema of its reader."""
    manifests = [("nimservice", yaml.safe_load((here / "nimservice.yaml").read_text()))]
    for prefix in ("", "vllm-"):
        manifests.append(("compose", yaml.safe_load((here / f"{prefix}compose.yaml").read_text())))
        documents = yaml.safe_load_all((here / f"{prefix}deployment.yaml").read_text())
        manifests += zip(("deployment", "service"), documents, strict=True)
    for name, content in manifests:
        schema = json.loads((ROOT / f"tests/support/schemas/{name}.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(content, schema)


def served_name_in(words: list[str]) -> str:
    """What vLLM's server is told to call the model: `--served-model-name NAME`, or in one word where the name begins with a dash."""
    joined = [word.removeprefix("--served-model-name=") for word in words if word.startswith("--served-model-name=")]
    return joined[0] if joined else words[words.index("--served-model-name") + 1]
