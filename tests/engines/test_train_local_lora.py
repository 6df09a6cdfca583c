"""The local engine with a LoRA: what an epoch leaves, killed and started again, on two processes, in both kinds of sequences."""

import json
import signal
import subprocess
import time

import pytest
import torch
from safetensors.torch import load_file

from roadtrain.data.llava import write_entries
from roadtrain.files import read_json
from roadtrain.model.adapters import WEIGHTS
from roadtrain.model.loading import load_model
from support.evaluation import evaluate_manifest
from support.programs import run_python
from support.training import command, hashes, must_train, read_log, render_toml, start, step_counts, train

LORA = {"rank": 4, "targets": ["language", "projector", "vision.qkv"]}
SETTINGS = {"lora": LORA, "learning_rates": {"vision": 2e-3}}
DROPOUT = SETTINGS | {"lora": LORA | {"dropout": 0.2}}


@pytest.fixture(scope="module")
def lora(training_root):
    return must_train(training_root / "lora", render_toml(training_root, "lora.toml", **SETTINGS))


@pytest.fixture(scope="module")
def unmerged(training_root):
    """The same run, its adapters left alone."""
    toml = render_toml(training_root, "unmerged.toml", **SETTINGS | {"lora": LORA | {"merge": False}})
    return must_train(training_root / "unmerged", toml)


def test_an_epoch_leaves_the_whole_model_and_the_adapter(training_root, lora):
    base = load_file(training_root / "base/model.safetensors")
    for epoch in (1, 2):
        merged, adapter = (
            load_file(lora / f"epoch_{epoch}" / file) for file in ("model.safetensors", f"adapter/{WEIGHTS}")
        )
        assert merged.keys() == base.keys()
        layers = {name.removeprefix("base_model.model.").rsplit(".", 2)[0] for name in adapter}
        for name, weight in merged.items():
            before = base[name].float()
            if name.removesuffix(".weight") in layers:
                a, b = (adapter[f"base_model.model.{name.removesuffix('weight')}lora_{m}.weight"] for m in "AB")
                assert b.abs().max() > 0
                before = before + 2 * b @ a
            assert torch.equal(weight, before.to(torch.bfloat16)), name
        manifest = read_json(lora / f"manifests/epoch_{epoch}.json")
        place = (lora / f"epoch_{epoch}/adapter").as_posix()
        assert manifest["adapter"] == {"path": place, "rank": 4, "merged": True}
        assert manifest["trained_weights"] == sum(tensor.numel() for tensor in adapter.values())
        assert manifest["peak_bytes"] > 2**26 and f"adapter/{WEIGHTS}" in manifest["files"]
    assert len(set(hashes(lora))) == 2


def test_the_merged_checkpoint_loads_as_any_other(lora):
    model = load_model(lora / "epoch_2")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert not [name for name, _ in model.named_parameters() if "lora" in name]


def test_an_adapter_alone_answers_as_the_merged_checkpoint(training_root, lora, unmerged, tmp_path):
    """The merged checkpoint is rounded to bfloat16, this base isn't: probabilities differ by that much. (In float64 they
    don't: tests/unit/model/test_lora.py.)"""
    assert not list((unmerged / "epoch_2").glob("model*"))
    of_merged, of_adapter = (
        load_file(path) for path in (lora / f"epoch_2/adapter/{WEIGHTS}", unmerged / f"epoch_2/{WEIGHTS}")
    )
    assert all(torch.equal(of_merged[name], of_adapter[name]) for name in of_merged)
    letters = {"evaluate": '{"answers": "letters"}'}
    rows = [
        evaluate_manifest(training_root, run / "epoch_2.json", tmp_path / run.name, **letters)
        for run in (lora, unmerged)
    ]
    assert len(rows[0]) == len(rows[1]) == 18
    for merged, beside in zip(*rows, strict=True):
        assert merged["response"] == beside["response"] and merged["response"] in "AB"
        for letter, probability in merged["probabilities"].items():
            assert probability == pytest.approx(beside["probabilities"][letter], abs=0.02)


def test_another_base_is_not_given_the_adapter(training_root, unmerged, tmp_path):
    file = unmerged / "epoch_2/base.json"
    note = file.read_text()
    file.write_text(json.dumps(read_json(file) | {"sha256": "another"}))
    try:
        with pytest.raises(AssertionError, match="was trained on another"):
            evaluate_manifest(training_root, unmerged / "epoch_2.json", tmp_path)
    finally:
        file.write_text(note)


def test_a_killed_run_ends_with_the_same_weights_with_dropout_too(training_root, tmp_path):
    toml = render_toml(training_root, "dropout.toml", **DROPOUT)
    straight, killed = must_train(tmp_path / "straight", toml), tmp_path / "killed"
    process = start(killed, toml, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (killed / "state/progress.json").exists():
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert read_json(killed / "state/progress.json")["step"] < step_counts(training_root)[1]
    must_train(killed, toml)
    assert hashes(killed) == hashes(straight)
    assert (killed / "log.jsonl").read_bytes() == (straight / "log.jsonl").read_bytes()


def test_two_ranks_train_as_one(training_root, lora, tmp_path):
    toml = render_toml(training_root, "lora_two.toml", **SETTINGS)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--")
    result = run_python(*launcher, *command(tmp_path, toml))
    assert result.returncode == 0, result.stderr
    alone, both = read_log(lora / "log.jsonl"), read_log(tmp_path / "train_log.jsonl")
    assert [a["loss"] for a in alone] == pytest.approx([b["loss"] for b in both], rel=1e-4)
    assert [a["grad_norm"] for a in alone] == pytest.approx([b["grad_norm"] for b in both], rel=1e-3)
    for file in ("model.safetensors", f"adapter/{WEIGHTS}"):
        a, b = (load_file(folder / "epoch_2" / file) for folder in (lora, tmp_path))
        assert a.keys() == b.keys() and all((a[name] - b[name]).float().abs().max() < 1e-2 for name in a)


def test_matrices_that_do_not_divide_evenly_go_on_on_another_number_of_ranks(training_root, tmp_path):
    """Rank 3 on two processes, stopped by SIGTERM, then one process: the losses of one process from the beginning."""
    lora = {"lora": LORA | {"rank": 3}, "learning_rates": {}}
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--")
    toml = render_toml(training_root, "uneven_two.toml", **lora)
    process, log = start(tmp_path, toml, launcher=launcher), tmp_path / "train_log.jsonl"
    while process.poll() is None and not (log.exists() and read_log(log)):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    state = read_json(tmp_path / "state/progress.json")
    assert state["ranks"] == 2 and 0 < state["step"] < step_counts(training_root)[1]
    one = render_toml(training_root, "uneven_one.toml", **lora)
    result = run_python(*command(tmp_path, one), env={"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"})
    assert result.returncode == 0, result.stderr
    straight = read_log(must_train(tmp_path / "straight", one) / "log.jsonl")
    assert [line["loss"] for line in read_log(log)] == pytest.approx([line["loss"] for line in straight], rel=1e-4)
    weights = [load_file(folder / f"epoch_2/adapter/{WEIGHTS}") for folder in (tmp_path, tmp_path / "straight")]
    assert all((weights[0][name] - tensor).abs().max() < 1e-2 for name, tensor in weights[1].items())


def test_another_rank_starts_over_and_says_so(training_root, tmp_path):
    """Nothing of an adapter of other settings is gone on with."""
    for rank in (2, 5):
        settings = SETTINGS | {"lora": LORA | {"rank": rank, "merge": False}, "epochs": 1}
        result = train(tmp_path, render_toml(training_root, "other_rank.toml", **settings))
        assert result.returncode == 0, result.stderr
        assert read_json(tmp_path / "epoch_1/adapter_config.json")["r"] == rank
        matrices = load_file(tmp_path / f"epoch_1/{WEIGHTS}")
        assert {tensor.shape[0] for name, tensor in matrices.items() if "lora_A" in name} == {rank}
    assert "other_rank.toml changed since it was trained: starting over" in result.stderr


def test_per_question_and_shared_video_train_the_same(training_root, tmp_path):
    logs = []
    values = json.loads((training_root / "x.llava.json").read_text())
    write_entries(training_root / "unique.json", [value | {"wts_id": value["video"]} for value in values])
    for name, change in {"shared": {}, "apart": {"sequences": "per-question"}}.items():
        settings = SETTINGS | {"train_batch_per_replica": 1000, "epochs": 2} | change
        toml = render_toml(training_root, f"lora_{name}.toml", **settings)
        toml.write_text(toml.read_text().replace("x.llava.json", "unique.json"))
        logs.append(read_log(must_train(tmp_path / name, toml) / "log.jsonl"))
    for shared, apart in zip(*logs, strict=True):
        assert shared["loss"] == pytest.approx(apart["loss"], rel=1e-4) and shared["tokens"] < apart["tokens"]
        assert shared["grad_norm"] == pytest.approx(apart["grad_norm"], rel=1e-3)


def test_frozen_weights_may_lie_whole_on_each_rank_or_in_shards():
    """The same losses; shards take half the room."""

    def steps(*launcher, frozen):
        result = run_python(*launcher, "tests/support/lora_step.py", frozen, env={"PYTHONPATH": "scripts:tests"})
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--")
    alone = steps(frozen="whole")
    whole, shards = (steps(*launcher, frozen=frozen) for frozen in ("whole", "shards"))
    for one in (whole, shards):
        assert one["losses"][0] == pytest.approx(alone["losses"][0], rel=1e-4)
        assert one["losses"][1] == pytest.approx(alone["losses"][1], rel=1e-3)
        assert one["sum"] == pytest.approx(alone["sum"], rel=1e-5)
    assert shards["held"] < 0.6 * whole["held"]
