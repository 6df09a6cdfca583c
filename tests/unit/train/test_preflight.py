"""preflight counts exactly what is trained on, whichever engine trains, and shows what it will cost."""

import json
import tomllib
from pathlib import Path

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.files import read_json, write_json
from roadtrain.frames.sampling import sample
from roadtrain.spec.reading import read_spec
from roadtrain.train import toml_config
from roadtrain.train.preflight.report import preflight_report
from support import tiny
from support.clips import decode, render
from support.programs import run_program, run_python
from support.training import ROOT, SPEC, VISION, command, render_toml


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("preflight")
    tiny.model("float32").save_pretrained(root / "base")
    tiny.processor().save_pretrained(root / "base")
    values = []
    for n in range(4):
        render(root / f"media/v{n}.mp4", frames=12 + n, seed=n)
        for k in range(3):
            human = multiple_choice(f"Question {k}?", {"a": "one", "b": "two"})
            values.append(
                entry_json(
                    id=f"v{n}_{k}", scenario=str(n), video=f"v{n}.mp4", type="t", phase="p", human=human, answer="A"
                )
            )
    write_entries(root / "x.llava.json", values)
    return root


def preflight(root: Path, **train):
    result = run_program("preflight.py", toml=render_toml(root, **train), output=root / "preflight.json")
    return result, read_json(root / "preflight.json")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shared-video", "per-question"])
def test_tokens_and_steps_are_those_of_training(root, kind, tmp_path):
    """What preflight counts is what the engine then trains on."""
    result, report = preflight(root, sequences=kind)
    assert result.returncode == 0, result.stderr
    decode(root, VISION)
    trained = run_python(*command(tmp_path, render_toml(root, sequences=kind, train_batch_per_replica=1)))
    assert trained.returncode == 0, trained.stderr
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(line["tokens"] for line in log) == report["longest_sequence"]
    result, report = preflight(root, sequences=kind, train_batch_per_replica=1)
    assert report["steps"] == len(log) and report["steps_per_epoch"] == [len(log) // 2] * 2
    assert report["vision_tokens"]["total"] == sum(c["vision_tokens"] for c in read_json(root / "index.json")["clips"])


def test_shared_video_saves_work(root):
    _, report = preflight(root)
    assert report["estimate"]["shared_video_saves"] > 1.3
    shared, apart = report["estimate"]["shared-video"], report["estimate"]["per-question"]
    assert apart["training_flops"] / shared["training_flops"] == pytest.approx(
        report["estimate"]["shared_video_saves"], rel=0.01
    )
    assert apart["seconds"] >= shared["seconds"] and apart["memory_gib_per_gpu"] <= shared["memory_gib_per_gpu"]
    _, other = preflight(root, sequences="per-question")
    assert other["estimate"] == report["estimate"]  # both kinds, whichever is configured


def test_what_is_frozen_costs_less_and_features_have_a_size(root):
    def estimate(**train):
        return preflight(root, **train)[1]["estimate"]

    frozen = {"freeze": ["vision", "projector"], "learning_rates": {}}
    full, off, cached = estimate(), estimate(**frozen, cache_features="off"), estimate(**frozen)
    adapters = estimate(lora={"rank": 4}, learning_rates={})
    work = [one["shared-video"]["training_flops"] for one in (full, off, cached, adapters)]
    assert work[0] > work[1] > work[2] > work[3]
    memory = [one["per-question"]["memory_gib_per_gpu"] for one in (full, off, cached)]
    assert memory == sorted(memory, reverse=True)
    assert "features_bytes" not in full and "features_bytes" not in off
    # Four videos; a vision token has 64 numbers of 4 bytes, and three deepstack levels as many each.
    tokens = preflight(root, **frozen)[1]["vision_tokens"]["total"]
    assert cached["features_bytes"] == tokens * 64 * 4 * 4 > 0


@pytest.mark.parametrize("name, tokens", [("nframes8", 2880), ("fps1_8k", 7733)])
def test_the_published_run_is_planned(name, tokens):
    """The recipe's size: 341 clips of 75 s at 1920x1080, 16 questions each, 8 GPUs. The model isn't here: it is known."""
    toml = tomllib.loads((ROOT / f"tests/support/golden/{name}.toml").read_text())
    config = toml_config.parse_train_run(toml, name)
    plan = sample(config.vision, total_frames=2250, fps=30.0, height=1080, width=1920)
    entries = [e for n in range(341) for e in tiny.entries(16, video=f"{n}.mp4", scenario=str(n))]
    report = preflight_report(config, toml, entries, {e.clip: (plan, 30.0) for e in entries}, 8, 32768)
    assert report["vision_tokens"]["mean"] == tokens and report["questions"] == 5456
    assert report["steps_per_epoch"] == [22] * 3 and report["steps"] == 66  # 256 questions a step
    shared, apart = report["estimate"]["shared-video"], report["estimate"]["per-question"]
    assert 10 < apart["seconds"] / shared["seconds"] < 20 and apart["gpu_hours"] == pytest.approx(
        apart["seconds"] / 450, rel=0.01
    )
    assert 5 < shared["memory_gib_per_gpu"] < 60 and apart["memory_gib_per_gpu"] <= shared["memory_gib_per_gpu"]


def test_the_plan_shows_both_kinds_and_the_price(root, monkeypatch):
    preflight(root)
    monkeypatch.setenv("ROADTRAIN_GPU_HOUR", "2.5")
    path = root / "preflight.json"
    report = read_json(path) | {"gpus": 8}
    report["estimate"]["shared-video"]["gpu_hours"] = 10
    write_json(root / "a/preflight.json", report)
    plan = run_program("show_plan.py", root / "a/preflight.json", env={"CUDA_VISIBLE_DEVICES": ""})
    assert plan.returncode == 0, plan.stderr
    assert "25.00" in plan.stdout and "per-question:" in plan.stdout
    count = len(report["checks"]) + 2  # of the model, of a token; not of eight GPUs, nor of a CPU's memory
    assert f"{count - 1} ok, 0 problems, 2 not checked" in plan.stdout
    assert f"a: ok: model-is-there: {root}/base/" in plan.stdout
    assert "a: not checked: gpus-are-there: train.gpus: 8: 0 GPUs here" in plan.stdout


def test_the_plan_of_several_nodes(root):
    """What is sent, and with the network's speed how long it takes; a plan that 0.2 wrote doesn't know it."""
    preflight(root)
    report = read_json(root / "preflight.json")
    report["estimate"]["shared-video"] |= {"seconds": 100, "exchanged_bytes": 80e9}
    path = root / "n/preflight.json"
    write_json(path, report | {"gpus": 16})

    def rows(*options: object) -> list[str]:
        plan = run_program("show_plan.py", path, *options, env={"CUDA_VISIBLE_DEVICES": ""})
        return [line for line in plan.stdout.splitlines() if "nodes" in line]

    assert rows() == []
    sends, time = rows("--nodes", 2)
    assert "each of 2 nodes sends" in sends and "75 GB" in sends and "cluster.train.network_gbit" in time
    _, time = rows("--nodes", 2, "--network-gbit", 4)  # 75 GB in 150 s
    assert "time on 2 nodes" in time and "150 to 250 s" in time
    write_json(path, report | {"gpus": 0})  # each node's CPU has half of the work; two processes
    sends, time = rows("--nodes", 2, "--network-gbit", 40)
    assert "40 GB" in sends and "50 to 58 s" in time
    del report["estimate"]["shared-video"]["exchanged_bytes"]
    write_json(path, report)
    assert all("│ -" in row or "│         " in row for row in rows("--nodes", 2, "--network-gbit", 40))


def test_a_plan_ends_by_problems_and_reads_what_older_versions_wrote(root):
    preflight(root)
    report = read_json(root / "preflight.json") | {"model": str(root / "nowhere")}
    report["checks"] = [
        {"name": "one-frame-rule", "ok": False, "found": "vision: fps, nframes", "remedy": "give one"},
        {"name": "compile-off", "ok": True, "found": "train.compile = False", "remedy": "keep it"},
    ]
    write_json(root / "b/preflight.json", report)
    plan = run_program("show_plan.py", root / "b/preflight.json")
    assert plan.returncode == 1 and "2 problems, 0 not checked" in plan.stdout
    first, second = plan.stderr.strip().splitlines()
    assert first.endswith("b: one-frame-rule: vision: fps, nframes: give one")
    assert f"b: model-is-there: {root}/nowhere: no such folder" in second


def test_a_model_that_is_no_model_stops_a_run_before_training(root):
    toml = render_toml(root)
    toml.write_text(toml.read_text().replace(f"{root}/base", f"{root}/media"))
    result = run_program("preflight.py", toml=toml, output=root / "preflight.json")
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1 and "model-is-there" in last and f"{root}/media: no config.json in it" in last


def test_a_sequence_that_does_not_fit_is_found_before_training(root):
    result, _ = preflight(root, model_max_length=64)
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 1 and "sequence-fits-model" in last and "raise train.model_max_length" in last


def test_a_second_preflight_gives_the_same_bytes(root):
    preflight(root)
    first = (root / "preflight.json").read_bytes()
    preflight(root)
    assert (root / "preflight.json").read_bytes() == first


def test_the_spec_of_the_tests_is_a_spec():
    assert read_spec({"train": SPEC, "ablations": {"a": {"vision": VISION}}}, "s")
