"""Launch files for vLLM's own image: the options of serve.py, no more rights than needed, the release of envs/vllm.yaml."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

from roadtrain.spec.deploy import Deploy
from support.launching import conversations, deploy, launched, valid
from support.programs import ROOT, run_program

VISION = {"nframes": 8, "max_pixels": 17408, "min_pixels": 4096}


def vllm_words(here: Path) -> dict[str, list[str]]:
    """What Python runs in each of the two containers."""
    compose = yaml.safe_load((here / "vllm-compose.yaml").read_text())["services"]["vllm"]
    pod = next(yaml.safe_load_all((here / "vllm-deployment.yaml").read_text()))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert compose["entrypoint"] == container["command"] == ["python3"]
    return {"compose": compose["command"], "kubernetes": container["args"]}


@pytest.mark.parametrize("gpus", [1, 2])
def test_vllms_container_is_told_what_serve_py_would_tell_it(tmp_path, gpus):
    """Word by word, but for where the weights lie and who may reach it."""
    options = {"vision": json.dumps(VISION), "max_length": 2048}
    process = deploy(tmp_path, options=options, served_name="mine", gpus=gpus)
    assert process.returncode == 0, process.stderr
    weights = tmp_path / "model"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    process = run_program(
        "serve.py", weights, "--print", served_name="mine", gpus=gpus, host="0.0.0.0", reader="vllm", **options
    )
    assert process.returncode == 0, process.stderr
    expected = [word.replace(str(weights), "/weights") for word in shlex.split(process.stdout)[1:]]
    assert "--mm-processor-kwargs" in expected and expected[(at := expected.index("--max-model-len")) : at + 2] == [
        "--max-model-len",
        "2048",
    ]
    for words in vllm_words(tmp_path / "results/r/a/deploy").values():
        assert words == expected


def test_as_many_videos_a_prompt_are_taken_as_the_runs_data_have(tmp_path):
    """data.views: together: one video a prompt would refuse what the model was trained for."""
    files = [conversations(tmp_path / "t.json", 1, 4, 2), conversations(tmp_path / "v.json", 1, 2)]
    assert deploy(tmp_path, options={"llava": files}).returncode == 0
    here = tmp_path / "results/r/a/deploy"
    valid(here)
    for words in vllm_words(here).values():
        assert words[words.index("--limit-mm-per-prompt") + 1] == '{"video": 4, "image": 0}'
    assert json.loads((here / "manifest.json").read_text())["videos_a_prompt"] == 4
    expected = {"NIM_MAX_VIDEOS_PER_PROMPT": "4"}
    nim = yaml.safe_load((here / "compose.yaml").read_text())["services"]["nim"]["environment"]
    (container,) = next(yaml.safe_load_all((here / "deployment.yaml").read_text()))["spec"]["template"]["spec"][
        "containers"
    ]
    operator = yaml.safe_load((here / "nimservice.yaml").read_text())["spec"]["env"]
    pods = ({one["name"]: one.get("value") for one in env} for env in (container["env"], operator))
    assert all(env.items() >= expected.items() for env in (nim, *pods))
    assert "NIM_MAX_VIDEOS_PER_PROMPT=4" in launched(tmp_path)


def test_one_video_a_prompt_needs_no_word_to_a_nim(tmp_path):
    """Its own limit is one; and no page has this name for Cosmos Reason2."""
    assert deploy(tmp_path, options={"llava": [conversations(tmp_path / "v.json", 1, 1)]}).returncode == 0
    here = tmp_path / "results/r/a/deploy"
    assert not any("NIM_MAX" in path.read_text() for path in here.iterdir())
    assert json.loads((here / "manifest.json").read_text())["videos_a_prompt"] == 1


def test_vllms_container_has_no_more_rights_than_it_needs_and_listens_here_alone(tmp_path):
    assert deploy(tmp_path, pvc="models").returncode == 0
    here = tmp_path / "results/r/a/deploy"
    compose = yaml.safe_load((here / "vllm-compose.yaml").read_text())["services"]["vllm"]
    assert compose["ports"] == ["127.0.0.1:8000:8000"] and compose["cap_drop"] == ["ALL"]
    assert compose["security_opt"] == ["no-new-privileges:true"] and compose["user"] == "${ROADTRAIN_USER:-1000:1000}"
    assert compose["volumes"][0] | {"source": ""} == {
        "type": "bind",
        "source": "",
        "target": "/weights",
        "read_only": True,
    }
    assert compose["environment"]["VLLM_API_KEY"] is None, "a key comes from who starts it, never from a file"
    assert "--trust-remote-code" not in compose["command"]
    deployment, service = yaml.safe_load_all((here / "vllm-deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    nim = next(yaml.safe_load_all((here / "deployment.yaml").read_text()))
    assert pod["securityContext"] == nim["spec"]["template"]["spec"]["securityContext"]
    assert pod["automountServiceAccountToken"] is False and service["spec"]["type"] == "ClusterIP"
    (container,) = pod["containers"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts["weights"]["readOnly"] and mounts["weights"]["subPath"] == "weights/r/a/fp8"
    assert deployment["metadata"]["name"] != nim["metadata"]["name"], "both can be applied"


def test_the_image_is_the_release_of_envs_vllm_yaml(tmp_path):
    environment = yaml.safe_load((ROOT / "envs/vllm.yaml").read_text())
    (pins,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    (release,) = [pin.removeprefix("vllm==") for pin in pins if pin.startswith("vllm==")]
    assert Deploy().vllm_image == f"vllm/vllm-openai:v{release}"
    assert deploy(tmp_path, vllm_image="registry:5000/own:1").returncode == 0
    text = (tmp_path / "results/r/a/deploy/vllm-compose.yaml").read_text()
    assert yaml.safe_load(text)["services"]["vllm"]["image"] == "registry:5000/own:1"
    assert deploy(tmp_path, vllm_image="--privileged").returncode == 1


def test_nims_key_is_handed_on_by_its_name_alone(tmp_path, monkeypatch):
    assert deploy(tmp_path).returncode == 0
    monkeypatch.delenv("NGC_API_KEY", raising=False)
    assert "NGC_API_KEY" not in " ".join(launched(tmp_path))
    monkeypatch.setenv("NGC_API_KEY", "secret-of-mine")
    argv = launched(tmp_path)
    assert argv[argv.index("NGC_API_KEY") - 1] == "-e" and "secret-of-mine" not in " ".join(argv)
    compose = yaml.safe_load((tmp_path / "results/r/a/deploy/compose.yaml").read_text())["services"]["nim"]
    assert compose["environment"]["NGC_API_KEY"] is None
