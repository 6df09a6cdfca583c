"""smoke_test.py against a server that fails: what its operator is told, beside what failed."""

import json

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.deploy.operator_hints import log_commands, operator_hints
from support.chat_server import Chat, chat_server
from support.programs import run_program

NOWHERE = "http://127.0.0.1:9"  # a port that nobody listens on
MANIFEST = {
    "run": "r",
    "ablation": "a",
    "checkpoint": "fp8",
    "weights": "weights/r/a/fp8",
    "deploy": {"served_name": "My Model"},
}


@pytest.fixture
def asking(tmp_path):
    """Options of smoke_test.py: one question about a file."""
    (tmp_path / "a.mp4").write_bytes(b"not looked into: it is sent as it is")
    entry = entry_json(
        id="a_0",
        scenario="s",
        video="a.mp4",
        type="t",
        phase="full_video",
        human=multiple_choice("Is it wet?", {"A": "Yes", "B": "No"}),
        answer="A",
    )
    write_entries(tmp_path / "val.json", [entry])
    return {"llava": tmp_path / "val.json", "media": tmp_path}


@pytest.fixture
def launched(tmp_path):
    folder = tmp_path / "deploy it"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    return folder


def test_where_nobody_answers_each_address_its_log_and_what_to_check_are_named(asking, launched):
    process = run_program("smoke_test.py", NOWHERE, **asking, deploy=launched)
    out = process.stdout
    assert process.returncode == 1 and "FAILED health" in out and "Traceback" not in process.stderr
    for path in ("/v1/health/ready", "/health", "/v1/models"):
        assert f"{NOWHERE}{path}: no answer (" in out and "refused" in out
    assert f"log: docker compose -f '{launched}/compose.yaml' logs --tail 50 nim" in out
    assert f"log: docker compose -f '{launched}/vllm-compose.yaml' logs --tail 50 vllm" in out
    assert "launched: fp8 of r/a, weights/r/a/fp8, as My Model" in out
    assert "check: it may still be starting" in out and "kubectl port-forward" in out


def test_names_in_commands_are_those_of_the_manifests(launched):
    from roadtrain.deploy.quoting import container_name, dns_label

    commands = "\n".join(log_commands(str(launched), MANIFEST))
    assert f"docker logs --tail 50 {container_name('My Model')}" in commands
    for name in ("My Model", "My Model-vllm"):
        assert f"kubectl logs deployment/{dns_label(name)} --tail 50" in commands
        assert f"kubectl describe pod -l app.kubernetes.io/name={dns_label(name)}" in commands


def test_a_refusal_shows_status_and_first_line_and_what_the_addresses_say(asking):
    with chat_server(Chat(status=400, error='{"error": {"message": "prompt too long\\nmore of it"}}')) as chat:
        process = run_program("smoke_test.py", chat.url, **asking)
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert f"{chat.url}/v1/models: 200 " in process.stderr and '"id": "m"' in process.stderr
    assert "check: 400, too long: model_max_length" in process.stderr
    assert process.stderr.splitlines()[-1].endswith("400 prompt too long"), "the reason comes last, as always"


def test_a_wrong_name_and_a_wrong_answer_have_their_own_checks(asking):
    with chat_server(Chat(pieces=("I", " see"))) as chat:
        wrong = run_program("smoke_test.py", chat.url, **asking, model="other")
        assert (
            wrong.returncode == 1 and "FAILED models: m" in wrong.stdout and "check: the name that it" in wrong.stdout
        )
        unread = run_program("smoke_test.py", chat.url, **asking, format="json")
    report = json.loads(unread.stdout)
    assert unread.returncode == 1 and not report["passed"]
    assert any(hint.startswith("check: these weights are served") for hint in report["hints"])
    assert not any("still be starting" in hint for hint in report["hints"])


def test_a_test_that_passes_says_nothing_more(asking):
    with chat_server(Chat(pieces=("A",))) as chat:
        process = run_program("smoke_test.py", chat.url, **asking)
    assert process.returncode == 0 and "log:" not in process.stdout and "check:" not in process.stdout, process.stdout


def test_a_servers_words_are_one_line_and_its_key_is_not_repeated(monkeypatch):
    with chat_server(Chat()) as chat:
        monkeypatch.setenv("ROADTRAIN_API_KEY", "secret-key-of-mine")
        monkeypatch.setenv("ROADTRAIN_API_SERVER", chat.url)
        lines = operator_hints(chat.url, ["health"], None)
    assert all("\n" not in line and "secret-key-of-mine" not in line for line in lines)
