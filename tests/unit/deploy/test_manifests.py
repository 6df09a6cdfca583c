"""Launch manifests: refused after a failed gate, safe with any name, and what their readers want."""

import json
import shlex
import shutil
import subprocess

import jsonschema
import pytest
import yaml

from roadtrain.deploy.contents import FILES
from roadtrain.deploy.manifests import check_gate
from roadtrain.spec.deploy import Deploy
from support.launching import ACCURACY, CHECKPOINT, deploy, launched, served_name_in, valid
from support.programs import run_program

HOSTILE = [
    "plain",
    "car 🚗",
    "with space",
    "quo'te",
    'dou"ble',
    "$(touch owned)",
    "`touch owned`",
    "a;b|c&d",
    "yes",
    "null",
    "${HOME}",
    "a$$b$$(HOME)",
    "# no",
    "a: b",
    "-x",
    "\\n",
    "ü",
]


def test_an_adapter_alone_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(CHECKPOINT, "adapter", {"path": "weights/r/a/epoch_1", "rank": 8, "merged": False})
    process = deploy(tmp_path)
    assert process.returncode == 1 and "train.lora.merge: true" in process.stderr.splitlines()[-1]
    monkeypatch.setitem(CHECKPOINT, "adapter", {"path": "weights/r/a/epoch_1/adapter", "rank": 8, "merged": True})
    assert deploy(tmp_path).returncode == 0


@pytest.mark.parametrize("outcome, key", [("failed", "allow_failed_gate"), ("undecided", "allow_undecided_gate")])
def test_a_gate_that_did_not_pass_is_a_failed_job_with_the_numbers(tmp_path, outcome, key):
    """Each outcome has its own key: that of the other one allows nothing."""
    other = {"allow_failed_gate", "allow_undecided_gate"} - {key}
    process = deploy(tmp_path, outcome, **dict.fromkeys(other, True))
    assert process.returncode == 1 and "accuracy 0.7000 against 0.9000" in process.stderr and key in process.stderr
    assert process.stderr.count("\n") == 1 and not (tmp_path / "results").exists()
    process = deploy(tmp_path, outcome, **{key: True})
    assert process.returncode == 0 and "warning: fp8: the gate: accuracy 0.7000" in process.stdout
    manifest = json.loads((tmp_path / "results/r/a/deploy/manifest.json").read_text())
    assert manifest[key] is True and manifest["gate"]["outcome"] == outcome and manifest["gate"]["passed"] is False
    assert not any(manifest[name] for name in other)


def test_a_gate_of_an_older_release_is_named(tmp_path):
    deploy(tmp_path)
    gate = json.loads((tmp_path / "gate.json").read_text())
    del gate["precisions"]["fp8"]["outcome"]
    with pytest.raises(ValueError, match=r"gate.json: written before 0.3, .*make it again"):
        (tmp_path / "gate.json").write_text(json.dumps(gate))
        check_gate("fp8", str(tmp_path / "gate.json"), Deploy())


def test_a_quantized_checkpoint_that_nobody_judged_is_not_deployed(tmp_path):
    """Of another precision's gate.json it would be the same as of none."""
    deploy(tmp_path)
    gate = json.loads((tmp_path / "gate.json").read_text())
    gate["precisions"]["nvfp4"] = gate["precisions"].pop("fp8")
    (tmp_path / "gate.json").write_text(json.dumps(gate))
    with pytest.raises(
        ValueError, match=r"gate.json: no verdict on fp8, only on nvfp4: make it \(snakemake quantize\)"
    ):
        check_gate("fp8", str(tmp_path / "gate.json"), Deploy())
    assert check_gate("epoch_2", str(tmp_path / "gate.json"), Deploy()) is None


def test_docker_sh_is_the_recipes_command(tmp_path):
    assert deploy(tmp_path).returncode == 0
    argv = launched(tmp_path)
    weights = str(tmp_path / "weights/r/a/fp8")
    assert argv[0] == "run" and "--rm" in argv and "--shm-size=32GB" in argv
    assert f"NIM_MODEL_NAME={weights}" in argv and f"{weights}:{weights}:ro" in argv and "127.0.0.1:8000:8000" in argv
    assert argv[-1] == "nvcr.io/nim/nvidia/cosmos-reason2-2b:1.7.0"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_arrive_as_they_are(tmp_path, name):
    process = deploy(tmp_path, served_name=name, nim_image=f"registry:5000/{name}:1")
    assert process.returncode == 0, process.stderr
    argv, here = launched(tmp_path), tmp_path / "results/r/a/deploy"
    assert f"NIM_SERVED_MODEL_NAME={name}" in argv and argv[-1] == f"registry:5000/{name}:1"
    assert not (tmp_path / "owned").exists() and not (here / "owned").exists()
    compose = yaml.safe_load((here / "compose.yaml").read_text())["services"]["nim"]
    assert compose["environment"]["NIM_SERVED_MODEL_NAME"] == name.replace("$", "$$")  # compose's own escape
    service = yaml.safe_load((here / "nimservice.yaml").read_text())
    served = {
        "name": "NIM_SERVED_MODEL_NAME",
        "value": name.replace("$", "$$"),
    }  # Kubernetes' own escape: $$ is $, before ( and elsewhere
    assert served in service["spec"]["env"]
    of_vllm = yaml.safe_load((here / "vllm-compose.yaml").read_text())["services"]["vllm"]
    assert served_name_in([word.replace("$$", "$") for word in of_vllm["command"]]) == name
    pod = next(yaml.safe_load_all((here / "vllm-deployment.yaml").read_text()))["spec"]["template"]["spec"]
    assert served_name_in([word.replace("$$", "$") for word in pod["containers"][0]["args"]]) == name
    deployment, address = yaml.safe_load_all((here / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert served in container["env"] and container["image"] == f"registry:5000/{name}:1"
    assert deployment["metadata"]["name"] == address["metadata"]["name"] == service["metadata"]["name"]
    valid(here)
    assert service["spec"]["image"] == {
        "repository": f"registry:5000/{name}",
        "tag": "1",
        "pullPolicy": "IfNotPresent",
        "pullSecrets": ["ngc-secret"],
    }
    label = service["metadata"]["name"]
    assert label == label.lower() and 0 < len(label) <= 63 and label.strip("-") == label


def test_the_schemas_refuse_what_their_readers_would(tmp_path):
    """A misplaced key, a name that is no label, a path that leads outside."""
    assert deploy(tmp_path).returncode == 0
    here = tmp_path / "results/r/a/deploy"
    for name, old, new in (
        ("compose.yaml", "healthcheck:", "health_check:"),
        ("nimservice.yaml", "authSecret:", "authSecrets:"),
        ("compose.yaml", "30s", "30 seconds"),
        ("deployment.yaml", "imagePullSecrets:", "pullSecrets:"),
        ("deployment.yaml", "name: nim", "name: Nim"),
        ("nimservice.yaml", "replicas: 1", "replicas: one"),
        ("vllm-compose.yaml", "cap_drop:", "cap_dropped:"),
        ("vllm-compose.yaml", "entrypoint: [python3]", "entrypoint: [3]"),
        ("vllm-deployment.yaml", "optional: true", "optional: maybe"),
        ("vllm-deployment.yaml", "emptyDir: {}", "emptydir: {}"),
    ):
        before = (here / name).read_text()
        assert old in before
        (here / name).write_text(before.replace(old, new))
        with pytest.raises(jsonschema.ValidationError):
            valid(here)
        (here / name).write_text(before)
    valid(here)


def test_weights_in_a_claim(tmp_path):
    assert deploy(tmp_path, pvc="models").returncode == 0
    here = tmp_path / "results/r/a/deploy"
    valid(here)
    service = yaml.safe_load((here / "nimservice.yaml").read_text())
    assert service["spec"]["storage"] == {
        "pvc": {"create": False, "name": "models", "subPath": "weights/r/a/fp8"},
        "readOnly": True,
    }
    pod = next(yaml.safe_load_all((here / "deployment.yaml").read_text()))["spec"]["template"]["spec"]
    assert {"name": "weights", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}} in pod["volumes"]
    assert pod["containers"][0]["volumeMounts"][0]["subPath"] == "weights/r/a/fp8"
    assert deploy(tmp_path, pvc="No Claim").returncode == 1


def test_the_pod_has_no_more_rights_than_it_needs(tmp_path):
    """What Kubernetes' Pod Security Standard "restricted" wants, but for the node's folder where no claim is given."""
    assert deploy(tmp_path, pvc="models").returncode == 0
    path = tmp_path / "results/r/a/deploy/deployment.yaml"
    pod = next(yaml.safe_load_all(path.read_text()))["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_best_epoch_can_be_deployed_as_it_is(tmp_path):
    """best.json in place of a quantized checkpoint's manifest: its accuracy is found among the epochs', no gate stands before it."""
    manifest = CHECKPOINT | {"checkpoint": "epoch_2", "path": "weights/r/a/epoch_2", "precision": "bfloat16"}
    (tmp_path / "epoch_2_manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "best.json").write_text(
        json.dumps({"checkpoint": "epoch_2", "manifest": str(tmp_path / "epoch_2_manifest.json")})
    )
    for n, accuracy in ((1, 0.7), (2, 0.9)):
        (tmp_path / f"epoch_{n}.json").write_text(json.dumps(ACCURACY | {"accuracy": accuracy}))
    failed = {
        "baseline": "epoch_2",
        "max_accuracy_drop": 0.01,
        "min_scenarios": 20,
        "precisions": {"fp8": {"outcome": "failed", "passed": False, "in_words": "worse"}},
    }
    (tmp_path / "gate.json").write_text(json.dumps(failed))
    process = run_program(
        "render_deploy.py",
        checkpoint=tmp_path / "best.json",
        gate=tmp_path / "gate.json",
        accuracy=[tmp_path / "epoch_1.json", tmp_path / "epoch_2.json"],
        deploy="{}",
        run="r",
        ablation="a",
        spec_hash="h",
        output_dir=tmp_path / "out",
    )
    assert process.returncode == 0, process.stderr
    written = json.loads((tmp_path / "out/manifest.json").read_text())
    assert (written["checkpoint"], written["accuracy"]["accuracy"], written["gate"]) == ("epoch_2", 0.9, None)
    assert "weights/r/a/epoch_2" in (tmp_path / "out/docker.sh").read_text()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say(tmp_path):
    assert deploy(tmp_path, served_name="a 'b' $(c)").returncode == 0
    process = subprocess.run(["shellcheck", tmp_path / "results/r/a/deploy/docker.sh"], capture_output=True, text=True)
    assert process.returncode == 0, process.stdout


def test_line_breaks_never_get_that_far(tmp_path):
    process = deploy(tmp_path, served_name="a\nb")
    assert process.returncode == 1 and "served_name" in process.stderr and not (tmp_path / "results").exists()


def test_manifests_have_what_their_readers_want(tmp_path):
    assert deploy(tmp_path, port=9000, host="0.0.0.0").returncode == 0
    here = tmp_path / "results/r/a/deploy"
    assert {path.name for path in here.iterdir()} == set(FILES)
    assert subprocess.run(["bash", "-n", here / "docker.sh"]).returncode == 0
    compose = yaml.safe_load((here / "compose.yaml").read_text())["services"]["nim"]
    assert compose["ports"] == ["0.0.0.0:9000:8000"] and compose["volumes"][0]["read_only"] is True
    assert "/v1/health/ready" in " ".join(compose["healthcheck"]["test"])
    assert compose["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    service = yaml.safe_load((here / "nimservice.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("apps.nvidia.com/v1alpha1", "NIMService")
    assert service["spec"]["authSecret"] == "ngc-api-secret"  # by reference: no secret in a file
    env = dict(line.split("=", 1) for line in (here / "vss.env").read_text().splitlines() if not line.startswith("#"))
    assert shlex.split(env["MODEL_PATH"]) == ["/opt/roadtrain/weights/r/a/fp8"]
    manifest = json.loads((here / "manifest.json").read_text())
    assert (
        manifest["accuracy"] == ACCURACY and manifest["files"] == CHECKPOINT["files"] and manifest["spec_hash"] == "h"
    )


def test_docker_sh_without_weights_says_what_to_do(tmp_path):
    assert deploy(tmp_path).returncode == 0
    process = subprocess.run([tmp_path / "results/r/a/deploy/docker.sh"], capture_output=True, text=True)
    assert process.returncode == 1 and "CUSTOM_WEIGHTS" in process.stderr


SERVED = {"engine": "vllm-server", "software": {"vllm": "0.32.0"}, "questions": 100, "same_answers": 99}


def test_the_manifest_says_which_engine_and_release_answered(tmp_path, monkeypatch):
    source = {"engine": "local", "software": {"torch": "2.13.0"}}
    monkeypatch.setitem(ACCURACY, "computed_from", source)
    assert deploy(tmp_path).returncode == 0
    manifest = tmp_path / "results/r/a/deploy/manifest.json"
    assert json.loads(manifest.read_text())["verified"] == {"how": "offline", **source}


def test_what_a_server_answered_is_said_to_be(tmp_path):
    process = deploy(tmp_path, verify="served", served=SERVED)
    assert process.returncode == 0, process.stderr
    manifest = json.loads((tmp_path / "results/r/a/deploy/manifest.json").read_text())
    assert manifest["verified"] == {"how": "served", "engine": "vllm-server", "software": {"vllm": "0.32.0"}}
    assert manifest["gate"]["served"] == SERVED and manifest["deploy"]["verify"] == "served"


def test_a_gate_of_offline_answers_is_not_enough_where_the_spec_wants_served_ones(tmp_path):
    process = deploy(tmp_path, verify="served")
    assert process.returncode == 1 and "gate.json: fp8 was judged by its offline answers" in process.stderr
    assert not (tmp_path / "results/r/a/deploy/manifest.json").exists()
