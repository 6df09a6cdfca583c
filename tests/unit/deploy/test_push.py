"""A checkpoint is handed on whole, with its card, privately, and only when its licences and its gate are in order."""

import json
import shutil

import pytest

from roadtrain.files import read_json, write_json
from support.fake_hub import fake_hub
from support.handed_on import export_run, write_cards
from support.programs import run_program

TOKEN = "hf_secret_of_the_test"
FILES = {"README.md", "config.json", "model.safetensors", "adapter/adapter_config.json"}
EPOCH = "made-up/nframes8"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("exported")
    export_run(root)
    return root


@pytest.fixture
def root(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "work")


def push(root, checkpoint, to, *words, hub=None, token=TOKEN):
    env = {"HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(root / "home")}
    env["HF_ENDPOINT"] = hub.address if hub else "http://127.0.0.1:9"
    return run_program("push.py", checkpoint, "--to", to, *words, cwd=root, env=env)


def refusal(process):
    assert process.returncode == 1 and process.stderr.count("\n") == 1, process.stdout + process.stderr
    return process.stderr


def below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------------ a folder
def test_without_yes_nothing_is_written_and_everything_is_said(root, tmp_path):
    process = push(root, EPOCH, tmp_path / "new")
    assert process.returncode == 0, process.stderr
    assert all(f"MB  {name}\n" in process.stdout for name in FILES) and "4 files to" in process.stdout
    assert "Nothing was sent" in process.stdout and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "checkpoint",
    [
        EPOCH,
        f"{EPOCH}/epoch_3",
        "results/made-up/nframes8/best.json",
        "results/made-up/nframes8/checkpoints/epoch_3.json",
        "weights/made-up/nframes8/epoch_3",
    ],
)
def test_a_folder_has_every_file_and_the_card(root, tmp_path, checkpoint):
    (tmp_path / "new").mkdir()  # empty: it may be there
    process = push(root, checkpoint, tmp_path / "new", "--yes")
    assert process.returncode == 0, process.stderr
    assert below(tmp_path / "new") == FILES
    weights = root / "weights/made-up/nframes8/epoch_3"
    for name in FILES - {"README.md"}:
        assert (tmp_path / "new" / name).read_bytes() == (weights / name).read_bytes()
    card = (root / "results/made-up/nframes8/cards/epoch_3.md").read_text()
    assert (tmp_path / "new/README.md").read_text() == card and below(weights) == FILES - {"README.md"}


def test_a_folder_with_something_in_it_is_left_as_it_is(root, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years")
    assert "is there already" in refusal(push(root, EPOCH, tmp_path / "mine", "--yes"))
    assert below(tmp_path / "mine") == {"thesis.txt"}
    inside = "weights/made-up/nframes8/epoch_3/copy"
    assert "lies in the checkpoint's own folder" in refusal(push(root, EPOCH, inside, "--yes"))


# ------------------------------------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    "card, keys",
    [
        ("{}", "say card.license and card.data_license in the spec"),
        ('{"license": "apache-2.0"}', "say card.data_license in the spec"),
    ],
)
def test_a_card_without_licences_stays_here(root, tmp_path, card, keys):
    write_cards(root, card)
    words = refusal(push(root, EPOCH, tmp_path / "new"))
    assert "cards/epoch_3.md: licences are not filled in" in words and keys in words


def test_a_card_that_is_missing_or_of_another_state_is_made_again(root, tmp_path):
    card = root / "results/made-up/nframes8/cards/epoch_3.md"
    text = card.read_text()
    sha256 = read_json(root / "results/made-up/nframes8/checkpoints/epoch_3.json")["sha256"]
    card.write_text(text.replace(sha256, "0" * 64))
    assert "the card of another state of this checkpoint" in refusal(push(root, EPOCH, tmp_path / "new"))
    card.unlink()
    assert "the checkpoint has no card: make it (snakemake cards)" in refusal(push(root, EPOCH, tmp_path / "new"))


def test_files_that_are_missing_or_changed_are_named(root, tmp_path):
    weights = root / "weights/made-up/nframes8/epoch_3"
    (weights / "model.safetensors").write_bytes(b"others")
    assert "model.safetensors: differs from the checkpoint's manifest" in refusal(push(root, EPOCH, tmp_path / "new"))
    (weights / "model.safetensors").unlink()
    assert "model.safetensors: differs" in refusal(push(root, EPOCH, tmp_path / "new"))
    shutil.rmtree(weights)
    assert "epoch_3: the checkpoint is missing" in refusal(push(root, EPOCH, tmp_path / "new"))
    assert "made-up/fps9: no checkpoint" in refusal(push(root, "made-up/fps9", tmp_path / "new"))


@pytest.mark.parametrize("outcome", ["failed", "undecided"])
def test_what_the_gate_did_not_pass_is_allowed_by_name_only(root, tmp_path, outcome):
    file = root / "results/made-up/nframes8/quantized/gate.json"
    gate = read_json(file)
    gate["precisions"]["fp8"] |= {"outcome": outcome, "passed": False}
    write_json(file, gate)
    words = refusal(push(root, f"{EPOCH}/fp8", tmp_path / "new"))
    assert "gate.json: fp8 is not deployed" in words and f"deploy.allow_{outcome}_gate" in words
    other = {"failed": "undecided", "undecided": "failed"}[outcome]
    refusal(push(root, f"{EPOCH}/fp8", tmp_path / "new", f"--allow-{other}-gate"))
    process = push(root, f"{EPOCH}/fp8", tmp_path / "new", f"--allow-{outcome}-gate", "--yes")
    assert process.returncode == 0 and "warning: the gate: accuracy" in process.stdout
    shutil.rmtree(tmp_path / "new")
    spec = root / "results/made-up/spec.json"  # as deploy's key says it
    value = json.loads(spec.read_text())
    value["spec"]["deploy"][f"allow_{outcome}_gate"] = True
    spec.write_text(json.dumps(value))
    assert push(root, f"{EPOCH}/fp8", tmp_path / "new", "--yes").returncode == 0


def test_a_precision_without_a_verdict_is_refused(root, tmp_path):
    file = root / "results/made-up/nframes8/quantized/gate.json"
    write_json(file, read_json(file) | {"precisions": {}})
    assert "gate.json: no verdict on fp8" in refusal(push(root, f"{EPOCH}/fp8", tmp_path / "new"))


# ------------------------------------------------------------------------------------------------ the hub
def test_a_repository_is_private_and_gets_one_commit(root):
    with fake_hub(TOKEN) as hub:
        process = push(root, EPOCH, "hub:org/model", hub=hub)
        assert process.returncode == 0 and "4 files to hub:org/model (private)" in process.stdout
        assert hub.paths == []  # a dry run asks nobody
        process = push(root, EPOCH, "hub:org/model", "--yes", hub=hub)
        assert process.returncode == 0, process.stderr
        assert hub.private == {"org/model": True} and hub.commits == 1 and hub.tokens == {f"Bearer {TOKEN}"}
        files = hub.files["org/model"]
    assert files.keys() == FILES | {".gitattributes"}
    assert files["model.safetensors"] == (root / "weights/made-up/nframes8/epoch_3/model.safetensors").read_bytes()
    assert files["README.md"] == (root / "results/made-up/nframes8/cards/epoch_3.md").read_bytes()
    assert TOKEN not in process.stdout + process.stderr


def test_a_public_repository_gets_nothing_unless_that_is_said(root):
    with fake_hub(TOKEN) as hub:
        hub.private["org/model"], hub.files["org/model"] = False, {}
        assert "hub:org/model: is public, nothing was sent" in refusal(
            push(root, EPOCH, "hub:org/model", "--yes", hub=hub)
        )
        assert hub.files == {"org/model": {}} and hub.commits == 0
        assert push(root, EPOCH, "hub:org/model", "--yes", "--public", hub=hub).returncode == 0
        assert hub.files["org/model"].keys() == FILES
        assert push(root, EPOCH, "hub:org/other", "--yes", "--public", hub=hub).returncode == 0
        assert hub.private["org/other"] is False


def test_files_of_another_model_are_not_left_between_and_not_deleted_unasked(root):
    with fake_hub(TOKEN) as hub:
        old = {"model-00001-of-00002.safetensors": b"old", "config.json": b"old", ".gitattributes": b""}
        hub.private["org/model"], hub.files["org/model"] = True, dict(old)
        words = refusal(push(root, EPOCH, "hub:org/model", "--yes", hub=hub))
        assert "has files that are not this checkpoint's (model-00001-of-00002.safetensors, 1 in all)" in words
        assert hub.files["org/model"] == old
        assert push(root, EPOCH, "hub:org/model", "--yes", "--replace", hub=hub).returncode == 0
        assert hub.files["org/model"].keys() == FILES | {".gitattributes"} and hub.commits == 1


def test_what_the_hub_refuses_is_one_line_without_the_token(root):
    with fake_hub("another token") as hub:
        words = refusal(push(root, EPOCH, "hub:org/model", "--yes", hub=hub))
        assert "hub:org/model: " in words and "401" in words and TOKEN not in words
    with fake_hub(TOKEN) as hub:
        hub.refuse = 403
        process = push(root, EPOCH, "hub:org/model", "--yes", hub=hub)
        last = process.stderr.splitlines()[-1]  # below the bars of what was uploaded
        assert process.returncode == 1 and "Traceback" not in process.stderr and TOKEN not in process.stderr
        assert last.startswith("push.py: hub:org/model: 403") and "the whole commit or nothing" in last
        assert hub.files["org/model"].keys() == {".gitattributes"}


def test_a_token_is_of_the_environment_only(root):
    (root / "home").mkdir()
    (root / "home/token").write_text(TOKEN)  # what `hf auth login` leaves
    with fake_hub(TOKEN) as hub:
        assert "HF_TOKEN: not set" in refusal(push(root, EPOCH, "hub:org/model", "--yes", hub=hub, token=""))
        assert hub.paths == []


@pytest.mark.parametrize("name", ["model", "org/model/more", "-org/model", "org/..", "https://x/y"])
def test_a_name_that_is_no_repository_is_refused(root, name):
    assert "a repository is hub:ORG/NAME" in refusal(push(root, EPOCH, f"hub:{name}"))
