"""What somebody who runs a server needs when smoke_test.py fails: what the server says, where its log is, what to look at."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roadtrain.deploy.client import HEALTH
from roadtrain.deploy.contents import MANIFEST
from roadtrain.deploy.quoting import container_name, dns_label
from roadtrain.deploy.transport import Transport
from roadtrain.files import read_json

MODELS = "/v1/models"
LINES = 50  # of a log
SECONDS = 10  # for an address to answer
WAITING = (
    "it may still be starting: NIM loads and compiles for up to 20 minutes; the log says how far it is",
    "the container runs, and was not ended for memory (exit code 137): a smaller deploy.gpus or model_max_length, or another GPU",
    "it listens on this address and port: deploy.host and deploy.port; a Kubernetes service needs kubectl port-forward",
    "the weights are where it looks: the folder with config.json, readable by the container's user",
)
NAMES = ("the name that it serves is asked for: --model, and deploy.served_name of what was launched",)
REFUSED = (
    "400, too long: model_max_length of the training is what the server must allow (--max-model-len)",
    "400, At most N video(s): as many a request as manifest.json says, videos_a_prompt (vLLM: --limit-mm-per-prompt; NIM: NIM_MAX_VIDEOS_PER_PROMPT)",
    "401 or 403: ROADTRAIN_API_KEY and ROADTRAIN_API_SERVER (docs/ask.md)",
    "413 or 502: a proxy before the server that takes no body of this size",
)
WRONG = (
    "these weights are served, and not the base model's: manifest.json has their hashes, the server's log their folder",
    "the server sees the frames that training saw: with --vision they are sent; without it compare how it samples (scripts/serve.py --print; scripts/conformance.py URL)",
    "--system-prompt is that of the training",
)
CHECKS = {"health": WAITING, "models": NAMES, "a question about a video": WRONG, "accuracy": WRONG}


def operator_hints(url: str, failures: Sequence[str], deploy: str | None) -> list[str]:
    """Lines for people. `failures`: names of the checks that failed; none where the server refused a request. `deploy`: the folder
    of the launch files, which name the container."""
    server = Transport(url, SECONDS)
    lines = [f"{server.url}{path}: {server.describe(path, SECONDS)}" for path in (*HEALTH, MODELS)]
    manifest = _manifest(deploy)
    lines += [f"log: {command}" for command in log_commands(deploy, manifest)]
    if manifest:
        lines.append(
            f"launched: {manifest['checkpoint']} of {manifest['run']}/{manifest['ablation']}, {manifest['weights']},"
            f" as {manifest['deploy']['served_name']}"
        )
    checks = dict.fromkeys(check for name in failures for check in CHECKS.get(name, ()))
    return [*lines, *(f"check: {check}" for check in checks or REFUSED)]


def log_commands(deploy: str | None, manifest: Mapping[str, Any] | None) -> list[str]:
    """How its log is read, for each way in which it may have been launched."""
    name = manifest["deploy"]["served_name"] if manifest else None
    folder = Path(deploy or ".")
    commands = []
    for file, service in (("compose.yaml", "nim"), ("vllm-compose.yaml", "vllm")):
        commands.append(f"docker compose -f {shlex.quote(str(folder / file))} logs --tail {LINES} {service}")
    commands.append(f"docker logs --tail {LINES} {shlex.quote(container_name(name)) if name else 'NAME'}")
    for label in (dns_label(name), dns_label(f"{name}-vllm")) if name else ("NAME",):
        commands.append(
            f"kubectl logs deployment/{label} --tail {LINES}; kubectl describe pod -l app.kubernetes.io/name={label}"
        )
    return commands


def _manifest(deploy: str | None) -> Mapping[str, Any] | None:
    if deploy is None:
        return None
    value: Mapping[str, Any] = read_json(Path(deploy, MANIFEST))
    return value
