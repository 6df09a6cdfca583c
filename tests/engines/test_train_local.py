"""The local engine on a CPU: what a run leaves, that both ways to train are one, and what a user's mistake says."""

import json
import os
import shutil

import pytest

from roadtrain.data.llava import write_entries
from roadtrain.files import read_json
from support.training import must_train, read_log, render_toml, step_counts, train


def test_what_a_run_leaves(training_root, undisturbed):
    log = read_log(undisturbed / "log.jsonl")
    first, total = step_counts(training_root)
    assert [line["step"] for line in log] == list(range(1, total + 1))
    assert sum(line["questions"] for line in log) == 36 and all(line["questions"] <= 6 for line in log)
    assert log[0]["learning_rate"] == 5e-4 and log[1]["learning_rate"] == 1e-3
    assert not any("second" in key or "time" in key for line in log for key in line)  # no clock in what was computed
    for n in (1, 2):
        manifest = read_json(undisturbed / f"manifests/epoch_{n}.json")
        place = (manifest["checkpoint"], manifest["epoch"], manifest["step"], manifest["steps"])
        assert place == (f"epoch_{n}", n, (first, total)[n - 1], total)
        assert set(manifest["files"]) == {p.name for p in (undisturbed / f"epoch_{n}").iterdir()}
    assert len({read_json(undisturbed / f"manifests/epoch_{n}.json")["sha256"] for n in (1, 2)}) == 2


def test_the_checkpoint_is_a_complete_bfloat16_model(undisturbed):
    import torch

    from roadtrain.model.loading import load_model, load_processor

    model = load_model(undisturbed / "epoch_2")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    processor = load_processor(undisturbed / "epoch_2")
    assert processor.tokenizer.chat_template or processor.chat_template


def test_the_embeddings_have_their_own_rate(training_root, tmp_path):
    """All else stands still at a billionth. The head is the same matrix."""
    from safetensors.torch import load_file

    toml = render_toml(training_root, "words.toml", epochs=1, learning_rate=1e-9, learning_rates={"embeddings": 1e-2})
    must_train(tmp_path / "words", toml)
    paths = (training_root / "base", tmp_path / "words/epoch_1")
    before, after = (load_file(path / "model.safetensors") for path in paths)
    assert before.keys() == after.keys()  # the head is not written a second time

    def beyond_rounding(a, b):
        return ((a - b.float()).abs() > 2**-8 * a.abs() + 1e-6).any()

    moved = {key for key in after if beyond_rounding(before[key], after[key])}
    assert moved == {"model.language_model.embed_tokens.weight"}


def test_per_question_and_shared_video_train_the_same(training_root, tmp_path):
    """With the same questions in every step the two ways of training give the same weights, up to rounding."""
    logs = []
    values = json.loads((training_root / "x.llava.json").read_text())
    # Every video a scenario of its own: else cameras of one scenario go to different steps in one of the two ways.
    write_entries(training_root / "unique.json", [value | {"wts_id": value["video"]} for value in values])
    for name, change in {"shared": {}, "apart": {"sequences": "per-question"}}.items():
        # One step an epoch holds all questions: the same batch, whatever the order.
        toml = render_toml(training_root, f"{name}.toml", train_batch_per_replica=1000, epochs=4, **change)
        toml.write_text(toml.read_text().replace("x.llava.json", "unique.json"))
        logs.append(read_log(must_train(tmp_path / name, toml) / "log.jsonl"))
    assert len(logs[0]) == len(logs[1]) == 4
    for shared, apart in zip(*logs, strict=False):
        assert shared["questions"] == apart["questions"] == 18 and shared["tokens"] < apart["tokens"]
        assert shared["loss"] == pytest.approx(apart["loss"], rel=1e-3)
        assert shared["grad_norm"] == pytest.approx(apart["grad_norm"], rel=1e-2)
    assert logs[0][0]["loss"] == pytest.approx(logs[1][0]["loss"], rel=1e-6)  # before rounding can add up
    assert logs[0][3]["loss"] < logs[0][0]["loss"]


def test_a_sequence_that_is_too_long_is_one_line(training_root, tmp_path):
    result = train(tmp_path, render_toml(training_root, "bad.toml", model_max_length=64))
    assert result.returncode == 1 and "more than model_max_length: 64" in result.stderr.splitlines()[-1]


def test_an_edited_vision_setting_stops_the_run_and_deletes_nothing(training_root, tmp_path):
    """The frames are those of the old setting: training would start over with the same ones."""
    toml = render_toml(training_root, "edited.toml", epochs=1)
    checkpoint = must_train(tmp_path, toml) / "epoch_1/model.safetensors"
    before = checkpoint.stat().st_mtime_ns
    toml.write_text(toml.read_text().replace("nframes = 4", "nframes = 8"))
    result = train(tmp_path, toml)
    line = result.stderr.splitlines()[-1]
    assert result.returncode == 1
    for part in (str(toml), "custom.vision.nframes is 8", str(training_root / "index.json"), "nframes 4"):
        assert part in line
    assert checkpoint.stat().st_mtime_ns == before


def test_a_diverged_run_stops_and_keeps_what_is_finished(training_root, tmp_path):
    """Not a number in the weights stops the run before it can spoil a checkpoint."""
    from safetensors.torch import load_file, save_file

    toml = render_toml(training_root, "diverged.toml")
    must_train(tmp_path, toml)
    checkpoint = (tmp_path / "epoch_1/model.safetensors").read_bytes()
    (tmp_path / "epoch_2.json").unlink()
    broken = tmp_path / "base"
    shutil.copytree(training_root / "base", broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.language_model.norm.weight"] *= float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    toml.write_text(toml.read_text().replace(str(training_root / "base"), str(broken)))
    result = train(tmp_path / "again", toml)
    assert result.returncode == 1 and "lower learning_rate" in result.stderr.splitlines()[-1]
    assert (tmp_path / "epoch_1/model.safetensors").read_bytes() == checkpoint
    assert not (tmp_path / "again/epoch_1").exists()


def test_a_missing_model_says_how_to_get_it(training_root, tmp_path):
    toml = render_toml(training_root, "missing.toml")
    nowhere = str(training_root / "nowhere")
    toml.write_text(toml.read_text().replace(str(training_root / "base"), nowhere))
    result = train(tmp_path, toml)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith("nowhere: no such directory (model in the spec)")
    toml.write_text(toml.read_text().replace(nowhere, "nobody/nothing"))
    result = train(tmp_path, toml, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert result.returncode == 1 and "hf download nobody/nothing" in result.stderr.splitlines()[-1]


def test_more_gpus_than_there_are(training_root, tmp_path):
    import torch

    if torch.cuda.device_count() >= 8:
        pytest.skip("this machine has eight GPUs")
    result = train(tmp_path, render_toml(training_root, "eight.toml", gpus=8))
    assert (
        result.returncode == 1
        and "train.gpus: 8 on this machine, and this process sees" in result.stderr.splitlines()[-1]
    )
