"""IPv6 addresses, names that Kubernetes refuses, images that begin with a dash."""

import json
import re

import pytest
import yaml

from roadtrain.cli import UserError
from roadtrain.deploy.addresses import bind_address, plain_host, server_url
from roadtrain.deploy.quoting import dns_label
from roadtrain.deploy.serving import CheckpointSetting, server_command
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from support.programs import run_program

ACCURACY = {"accuracy": 0.9, "ci95": [0.88, 0.92], "total_questions": 100}
MANIFEST = {
    "checkpoint": "epoch_1",
    "path": "weights/r/a/epoch_1",
    "sha256": "ab",
    "files": {},
    "precision": "bfloat16",
    "epoch": 1,
    "base_model": "b",
    "software": {},
}
NAMES = [
    "Cosmos",
    "cosmos",
    "a_b",
    "a-b",
    "a.b",
    "2b",
    "nvidia/cosmos-reason2-2b",
    "-x",
    "x-",
    "ü",
    "ö",
    "模型",
    "a" * 63,
]
NAMES += ["a" * 64, "a" * 65, "1", "A" * 80, " ", "x y"]


def deploy_spec(**settings) -> dict:
    return {"ablations": {"a": {"vision": {"nframes": 8}}}, "deploy": settings}


@pytest.mark.parametrize("host", ["::1", "[::1]", "::", "2001:db8::7", "127.0.0.1", "0.0.0.0"])
def test_a_host_is_bound_as_docker_and_compose_write_it(tmp_path, host):
    host = read_spec(deploy_spec(host=host), "s").deploy.host
    files = {
        "checkpoint": MANIFEST,
        "accuracy": ACCURACY,
        "gate": {"baseline": "epoch_1", "max_accuracy_drop": 0, "precisions": {}},
    }
    for name, value in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    process = run_program(
        "render_deploy.py",
        **{name: tmp_path / f"{name}.json" for name in files},
        deploy=json.dumps({"host": host}),
        run="r",
        ablation="a",
        spec_hash="h",
        output_dir=tmp_path / "deploy",
    )
    assert process.returncode == 0, process.stderr
    address = f"[{host}]" if ":" in host else host
    assert re.search(rf"-p '?{re.escape(address)}:8000:8000'? ", (tmp_path / "deploy/docker.sh").read_text())
    service = yaml.safe_load((tmp_path / "deploy/compose.yaml").read_text())["services"]["nim"]
    assert service["ports"] == [f"{address}:8000:8000"]


@pytest.mark.parametrize("host", ["localhost", "-x", "[::1", "fe80::1%eth0", "127.0.0.1:80", "1.2.3"])
def test_what_docker_could_not_bind_to_is_refused(host):
    with pytest.raises(SpecError, match=r"deploy\.host: .*should be an IP address of this machine"):
        read_spec(deploy_spec(host=host), "s")


def test_a_server_listens_on_an_address_without_brackets(tmp_path):
    assert plain_host("[::1]") == plain_host("::1") == "::1" and bind_address("[::1]") == bind_address("::1") == "[::1]"
    command = server_command(CheckpointSetting(tmp_path, "-x", None), {"limit_mm_per_prompt": {}}, "[::1]", 8000)
    assert command[command.index("--host") + 1] == "::1" and "--served-model-name=-x" in command


@pytest.mark.parametrize(
    "url", ["http://[::1]:8000", "http://[::1]:8000/v1/", "https://[2001:db8::7]/", "http://host:8000/v1"]
)
def test_urls_are_taken(url):
    assert server_url(url) == url.rstrip("/").removesuffix("/v1")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://::1:8000", "http://[::1]:8000: an IPv6 address stands in brackets"),
        ("::1", "http://[::1]:PORT: an IPv6 address stands in brackets"),
        ("http://[::1:8000", "expected http://HOST:PORT"),
        ("localhost:8000", "expected http://HOST:PORT"),
        ("http://host:port", "expected http://HOST:PORT"),
        ("", "expected http://HOST:PORT"),
    ],
)
def test_what_is_no_url_is_one_line_with_the_remedy(url, hint):
    with pytest.raises(UserError) as caught:
        server_url(url)
    assert hint in str(caught.value) and str(caught.value).startswith(url)


def test_kubernetes_takes_every_label_and_two_names_have_two():
    """RFC 1035, which names of services follow."""
    labels = [dns_label(name) for name in NAMES]
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", label) for label in labels), labels
    assert len(set(labels)) == len(NAMES)
    assert dns_label("cosmos-reason2-2b") == "cosmos-reason2-2b"


@pytest.mark.parametrize("claim", ["a..b", "a.-b", "-a", "a-", "A", "a_b", "."])
def test_a_claim_that_kubernetes_refuses(claim):
    with pytest.raises(SpecError, match=r"deploy\.pvc"):
        read_spec(deploy_spec(pvc=claim), "s")


def test_an_image_that_would_be_an_option():
    with pytest.raises(SpecError, match=r"deploy\.nim_image: .*no image's name begins with a dash"):
        read_spec(deploy_spec(nim_image="--privileged"), "s")
