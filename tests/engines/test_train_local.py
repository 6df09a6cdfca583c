"""The local engine: survives a kill with the same weights, repeats nothing, starts over when something changed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadtrain import processes as process_tree
from roadtrain.data.llava import entry_json, multiple_choice, read_entries, write_entries
from roadtrain.files import read_json
from roadtrain.train import batches, optimizer
from support import tiny
from support.clips import decode, render

ROOT = Path(__file__).parents[2]
SPEC = {
    "engine": "local",
    "gpus": 0,
    "dtype": "float32",
    "epochs": 2,
    "train_batch_per_replica": 6,
    "learning_rate": 1e-3,
    "embedding_learning_rate": 2e-3,
    "warmup_steps": 2,
    "model_max_length": 2048,
    "state_every_steps": 1,
}
VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}


def run(*args, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, args)], cwd=ROOT, capture_output=True, text=True, **kwargs)


def render_toml(root: Path, name: str = "sft.toml", **train) -> Path:
    settings = {"name": "a", "model": str(root / "base"), "vision": VISION, "train": SPEC | train}
    done = run(
        "scripts/render_toml.py",
        "--template",
        "templates/sft.toml.j2",
        "--ablation",
        json.dumps(settings),
        "--run",
        "r",
        "--llava",
        root / "x.llava.json",
        "--media",
        root / "media",
        "--frames",
        root / "index.json",
        "--system-prompt",
        "You are a helpful assistant.",
        "--output-dir",
        root / "w",
        "--output",
        root / name,
    )
    assert done.returncode == 0, done.stderr
    return root / name


def command(root: Path, weights: Path, toml: Path) -> list:
    return [
        "scripts/train_local.py",
        "--toml",
        toml,
        "--weights",
        weights,
        "--manifests",
        weights / "manifests",
        "--log",
        weights / "log.jsonl",
        "--threads",
        "1",
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A tiny random base model, six videos of four scenarios with three questions each, and their frames."""
    root = tmp_path_factory.mktemp("train")
    processor, model = tiny.processor(), tiny.model("float32")
    model.save_pretrained(root / "base")
    processor.save_pretrained(root / "base")
    values = []
    for n in range(6):
        render(root / f"media/v{n}.mp4", frames=12, size=(96, 64), seed=n)
        for k in range(3):
            human = multiple_choice(f"Question {k}?", {"a": "one", "b": "two"})
            values.append(
                entry_json(
                    id=f"v{n}_{k}",
                    scenario=str(n % 4),
                    video=f"v{n}.mp4",
                    type="t",
                    phase="full_video",
                    human=human,
                    answer="AB"[(n + k) % 2],
                )
            )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    return root


@pytest.fixture(scope="module")
def undisturbed(root):
    done = run(*command(root, root / "undisturbed", render_toml(root)))
    assert done.returncode == 0, done.stderr
    return root / "undisturbed"


def sizes(root: Path) -> tuple[int, int]:
    """Optimizer steps of the first epoch, and of both."""
    entries = list(read_entries(root / "x.llava.json"))
    plan = [batches.steps(entries, epoch=n, seed=0, batch_questions=6, questions_per_video=None) for n in (1, 2)]
    return len(plan[0]), len(plan[0]) + len(plan[1])


def hashes(weights: Path) -> list[str]:
    return [read_json(weights / f"manifests/epoch_{n}.json")["sha256"] for n in (1, 2)]


def test_what_a_run_leaves(root, undisturbed):
    log = [json.loads(line) for line in (undisturbed / "log.jsonl").read_text().splitlines()]
    first, total = sizes(root)
    assert [line["step"] for line in log] == list(range(1, total + 1))
    assert sum(line["questions"] for line in log) == 36 and all(line["questions"] <= 6 for line in log)
    assert log[0]["learning_rate"] == 5e-4 and log[1]["learning_rate"] == 1e-3
    assert not any("second" in key or "time" in key for line in log for key in line)  # no clock in what was computed
    for n in (1, 2):
        manifest = read_json(undisturbed / f"manifests/epoch_{n}.json")
        assert (manifest["checkpoint"], manifest["epoch"], manifest["step"], manifest["steps"]) == (
            f"epoch_{n}",
            n,
            (first, total)[n - 1],
            total,
        )
        assert set(manifest["files"]) == {p.name for p in (undisturbed / f"epoch_{n}").iterdir()}
    assert hashes(undisturbed)[0] != hashes(undisturbed)[1]


def test_the_checkpoint_is_a_complete_bfloat16_model(undisturbed):
    import torch

    from roadtrain.model.loading import load_model, load_processor

    model = load_model(undisturbed / "epoch_2")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert (
        load_processor(undisturbed / "epoch_2").tokenizer.chat_template
        or load_processor(undisturbed / "epoch_2").chat_template
    )


def test_the_embeddings_have_their_own_rate(root):
    """All else stands still at a billionth. The head is the same matrix."""
    from safetensors.torch import load_file

    toml = render_toml(root, "words.toml", epochs=1, learning_rate=1e-9, embedding_learning_rate=1e-2)
    done = run(*command(root, root / "words", toml))
    assert done.returncode == 0, done.stderr
    before, after = (load_file(path / "model.safetensors") for path in (root / "base", root / "words/epoch_1"))
    assert before.keys() == after.keys()  # the head is not written a second time
    beyond_rounding = lambda a, b: ((a - b.float()).abs() > 2**-8 * a.abs() + 1e-6).any()
    moved = {key for key in after if beyond_rounding(before[key], after[key])}
    assert moved == {"model.language_model.embed_tokens.weight"}


@pytest.fixture(scope="module")
def two_ranks(root):
    """The same run by two processes: FSDP2 over gloo, as two GPUs would run it."""
    toml = render_toml(root, "two.toml", train_batch_per_replica=3)  # on each rank
    done = on_ranks(2, root / "two", root, toml)
    assert done.returncode == 0, done.stderr
    return root / "two"


def on_ranks(count: int, weights: Path, root: Path, toml: Path) -> subprocess.CompletedProcess:
    """torchrun's processes alone: no lock, no manifests among the results."""
    weights.mkdir(exist_ok=True)
    return run(
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count, "--", *command(root, weights, toml)
    )


def log_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_two_ranks_train_as_one(undisturbed, two_ranks):
    """Same steps, losses, gradient norms and weights up to rounding: the exchanged gradients are the whole step's."""
    from safetensors.torch import load_file

    one, two = log_of(undisturbed / "log.jsonl"), log_of(two_ranks / "train_log.jsonl")
    assert [(a["step"], a["questions"], a["tokens"], a["learning_rate"]) for a in one] == [
        (b["step"], b["questions"], b["tokens"], b["learning_rate"]) for b in two
    ]
    assert [a["loss"] for a in one] == pytest.approx([b["loss"] for b in two], rel=1e-4)
    assert [a["grad_norm"] for a in one] == pytest.approx([b["grad_norm"] for b in two], rel=1e-3)
    for n in (1, 2):
        a, b = (load_file(where / f"epoch_{n}/model.safetensors") for where in (undisturbed, two_ranks))
        assert a.keys() == b.keys()
        assert all((a[name] - b[name]).float().abs().max() < 1e-2 for name in a)
        assert (
            read_json(two_ranks / f"epoch_{n}.json")["files"].keys()
            == read_json(undisturbed / f"manifests/epoch_{n}.json")["files"].keys()
        )


@pytest.mark.parametrize("count", [1, 2], ids=["one rank", "two ranks"])
def test_ranks_resume_exactly_from_shards_and_on_another_number_of_them(root, two_ranks, tmp_path, count):
    """Stopped by SIGTERM, as a cluster does, then started again by as many processes or by one."""
    toml = render_toml(root, "two.toml", train_batch_per_replica=3)
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--"]
    process = subprocess.Popen(
        [*started, *map(str, command(root, tmp_path, toml))], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (
        (tmp_path / "train_log.jsonl").exists() and log_of(tmp_path / "train_log.jsonl")
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode
    stopped = read_json(tmp_path / "state/progress.json")
    assert stopped["ranks"] == 2 and stopped["step"] < sizes(root)[1]
    if count == 1:
        toml = render_toml(root, "one.toml", train_batch_per_replica=6)
    done = on_ranks(count, tmp_path, root, toml)
    assert done.returncode == 0, done.stderr
    again, straight = log_of(tmp_path / "train_log.jsonl"), log_of(two_ranks / "train_log.jsonl")
    losses = [line["loss"] for line in again], [line["loss"] for line in straight]
    assert losses[0] == losses[1] if count == 2 else losses[0] == pytest.approx(losses[1], rel=1e-4)


def on_gpus(root: Path, gpus: int, name: str, **train) -> Path:
    """A TOML for so many GPUs with as many questions a step as the run on the CPU."""
    import torch

    if torch.cuda.device_count() < gpus:
        pytest.skip(f"{torch.cuda.device_count()} GPUs here")
    return render_toml(root, f"{name}.toml", gpus=gpus, train_batch_per_replica=6 // gpus, **train)


@pytest.mark.gpu
@pytest.mark.parametrize("gpus", [1, 2])
@pytest.mark.parametrize("dtype, near", [("float32", 2e-3), ("bfloat16", 2e-2)])
def test_gpus_train_as_a_cpu_does(root, undisturbed, tmp_path, gpus, dtype, near):
    """flex_attention, compiled, sharded by FSDP2 over NCCL: the same steps, and losses up to the arithmetic's rounding."""
    done = run(*command(root, tmp_path, on_gpus(root, gpus, f"{dtype}_{gpus}", dtype=dtype)))
    assert done.returncode == 0, done.stderr
    assert f" x {gpus}: gradient checkpointing of 0%" in done.stderr and "SDPA" not in done.stderr
    cpu, gpu = log_of(undisturbed / "log.jsonl"), log_of(tmp_path / "log.jsonl")
    assert [(a["step"], a["questions"], a["learning_rate"]) for a in cpu] == [
        (b["step"], b["questions"], b["learning_rate"]) for b in gpu
    ]
    assert [a["loss"] for a in cpu] == pytest.approx([b["loss"] for b in gpu], rel=near)
    assert read_json(tmp_path / "manifests/epoch_2.json")["gpus"] == gpus


@pytest.mark.gpu
@pytest.mark.parametrize("gpus", [1, 2])
def test_a_killed_run_on_gpus_goes_on_with_the_same_losses(root, tmp_path, gpus):
    """SIGKILL to all of its processes at once. Sums over a GPU's threads may differ in the last digits from run to run."""
    toml = on_gpus(root, gpus, f"killed_{gpus}")
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    done = run(*command(root, straight, toml))
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [sys.executable, *map(str, command(root, killed, toml))], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not (killed / "state/progress.json").exists():
        time.sleep(0.01)
    for pid in [process.pid, *process_tree.descendants(process.pid)]:  # torchrun's ranks have sessions of their own
        os.kill(pid, signal.SIGKILL)
    process.wait()
    assert read_json(killed / "state/progress.json")["ranks"] == gpus and not (killed / "manifests").exists()
    done = run(*command(root, killed, toml))
    assert done.returncode == 0, done.stderr
    losses = [[line["loss"] for line in log_of(path / "log.jsonl")] for path in (straight, killed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_more_gpus_than_there_are(root, tmp_path):
    import torch

    toml = render_toml(root, "eight.toml", gpus=8)
    if torch.cuda.device_count() >= 8:
        pytest.skip("this machine has eight GPUs")
    done = run(*command(root, tmp_path, toml))
    assert done.returncode == 1 and "train.gpus: 8, and this process sees" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("after", [1, 3, 5], ids=lambda n: f"step {n}")
def test_sigkill_then_rerun_gives_the_same_weights_and_log(root, undisturbed, tmp_path, after):
    toml = render_toml(root)
    process = subprocess.Popen(
        [sys.executable, *map(str, command(root, tmp_path, toml))], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    log, deadline = tmp_path / "train_log.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) >= after:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()
    done = run(*command(root, tmp_path, toml))
    assert done.returncode == 0, done.stderr
    assert hashes(tmp_path) == hashes(undisturbed)
    assert (tmp_path / "log.jsonl").read_bytes() == (undisturbed / "log.jsonl").read_bytes()


def test_sigterm_stops_after_a_step_and_a_rerun_goes_on(root, undisturbed, tmp_path):
    toml = render_toml(root)
    process = subprocess.Popen(
        [sys.executable, *map(str, command(root, tmp_path, toml))], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (tmp_path / "train_log.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    error = process.communicate()[1]
    assert process.returncode == 1 and "stopped by signal 15 after step" in error
    assert run(*command(root, tmp_path, toml)).returncode == 0
    assert hashes(tmp_path) == hashes(undisturbed)


def test_a_finished_run_trains_nothing(root, undisturbed):
    before = {p: p.stat().st_mtime_ns for p in undisturbed.glob("epoch_*/*")}
    manifests = [(undisturbed / f"manifests/epoch_{n}.json").read_bytes() for n in (1, 2)]
    assert run(*command(root, undisturbed, render_toml(root))).returncode == 0
    assert before == {p: p.stat().st_mtime_ns for p in undisturbed.glob("epoch_*/*")}
    assert manifests == [(undisturbed / f"manifests/epoch_{n}.json").read_bytes() for n in (1, 2)]


def test_a_lost_manifest_is_written_again_from_the_finished_epoch(root, undisturbed):
    manifest = undisturbed / "manifests/epoch_1.json"
    before = manifest.read_bytes()
    manifest.unlink()
    assert run(*command(root, undisturbed, render_toml(root))).returncode == 0
    assert manifest.read_bytes() == before


def test_a_changed_run_starts_over_and_says_why(root, tmp_path):
    assert run(*command(root, tmp_path, render_toml(root, "one.toml", epochs=1))).returncode == 0
    first = read_json(tmp_path / "manifests/epoch_1.json")["sha256"]
    render_toml(root, "one.toml", epochs=1, learning_rate=3e-3)
    done = run(*command(root, tmp_path, root / "one.toml"))
    assert done.returncode == 0 and "one.toml changed since it was trained: starting over" in done.stderr
    assert read_json(tmp_path / "manifests/epoch_1.json")["sha256"] != first


def test_an_orphan_that_still_trains_is_waited_for(root, undisturbed, tmp_path):
    """A killed Snakemake leaves its trainer running: two at once would spoil the weights."""
    both = [
        subprocess.Popen(
            [sys.executable, *map(str, command(root, tmp_path, render_toml(root)))],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert any("is training here; waiting for it" in error for error in errors)
    assert hashes(tmp_path) == hashes(undisturbed)


def test_per_question_and_shared_video_train_the_same(root, tmp_path):
    """With the same questions in every step the two ways of training give the same weights, up to rounding."""
    logs = []
    values = json.loads((root / "x.llava.json").read_text())
    # Every video a scenario of its own: else cameras of one scenario go to different steps in one of the two ways.
    write_entries(root / "unique.json", [value | {"wts_id": value["video"]} for value in values])
    for name, change in {"shared": {}, "apart": {"sequences": "per-question"}}.items():
        # One step an epoch holds all questions: the same batch, whatever the order.
        toml = render_toml(root, f"{name}.toml", train_batch_per_replica=1000, epochs=4, **change)
        toml.write_text(toml.read_text().replace("x.llava.json", "unique.json"))
        assert run(*command(root, tmp_path / name, toml)).returncode == 0
        logs.append([json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()])
    assert len(logs[0]) == len(logs[1]) == 4
    for shared, apart in zip(*logs):
        assert shared["questions"] == apart["questions"] == 18 and shared["tokens"] < apart["tokens"]
        assert shared["loss"] == pytest.approx(apart["loss"], rel=1e-3)
        assert shared["grad_norm"] == pytest.approx(apart["grad_norm"], rel=1e-2)
    assert logs[0][0]["loss"] == pytest.approx(logs[1][0]["loss"], rel=1e-6)  # before rounding can add up
    assert logs[0][3]["loss"] < logs[0][0]["loss"]


def test_a_sequence_that_is_too_long_is_one_line(root, tmp_path):
    done = run(*command(root, tmp_path, render_toml(root, "bad.toml", model_max_length=64)))
    assert done.returncode == 1 and "more than model_max_length: 64" in done.stderr.splitlines()[-1]


def test_a_diverged_run_stops_and_keeps_what_is_finished(root, tmp_path):
    """Not a number in the weights stops the run before it can spoil a checkpoint."""
    toml = render_toml(root, "two.toml")
    assert run(*command(root, tmp_path, toml)).returncode == 0
    kept = (tmp_path / "epoch_1/model.safetensors").read_bytes()
    (tmp_path / "epoch_2.json").unlink()
    import shutil

    from safetensors.torch import load_file, save_file

    broken = tmp_path / "base"
    shutil.copytree(root / "base", broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.language_model.norm.weight"] *= float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    toml.write_text(toml.read_text().replace(str(root / "base"), str(broken)))
    done = run(*command(root, tmp_path / "again", toml))
    assert done.returncode == 1 and "lower learning_rate" in done.stderr.splitlines()[-1]
    assert (tmp_path / "epoch_1/model.safetensors").read_bytes() == kept and not (tmp_path / "again/epoch_1").exists()


def test_a_missing_model_says_how_to_get_it(root, tmp_path):
    toml = render_toml(root, "missing.toml")
    toml.write_text(toml.read_text().replace(str(root / "base"), str(root / "nowhere")))
    done = run(*command(root, tmp_path, toml))
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith(
        "nowhere: no such directory (model in the spec)"
    )
    toml.write_text(toml.read_text().replace(str(root / "nowhere"), "nobody/nothing"))
    done = run(*command(root, tmp_path, toml), env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 1 and "hf download nobody/nothing" in done.stderr.splitlines()[-1]


# ------------------------------------------------------------------------------------------ batches and schedule
def test_cameras_of_a_scenario_fall_in_different_steps(root):
    entries = list(read_entries(root / "x.llava.json"))
    for epoch in (1, 2, 3):
        plan = batches.steps(entries, epoch=epoch, seed=0, batch_questions=6, questions_per_video=None)
        assert sorted(e.id for step in plan for g in step for e in g.entries) == sorted(e.id for e in entries)
        assert all(len({g.scenario for g in step}) == len(step) for step in plan)


def test_the_plan_depends_on_seed_and_epoch_only(root):
    entries = list(read_entries(root / "x.llava.json"))
    plan = lambda **k: batches.steps(
        entries, **({"epoch": 1, "seed": 0, "batch_questions": 6, "questions_per_video": 2} | k)
    )
    assert plan() == plan() and plan() != plan(epoch=2) and plan() != plan(seed=1)
    assert all(len(g.entries) <= 2 for step in plan() for g in step)
    assert all(len(g.entries) == 1 for step in plan(questions_per_video=1) for g in step)


@pytest.mark.parametrize("schedule, middle, last", [("cosine", 0.5, 0.0), ("linear", 0.5, 0.0), ("constant", 1.0, 1.0)])
def test_learning_rate(schedule, middle, last):
    rate = lambda step: optimizer.learning_rate(step, peak=1.0, schedule=schedule, warmup=10, total=110)
    assert rate(0) == 0.1 and rate(9) == 1.0 and rate(10) == 1.0
    assert rate(60) == pytest.approx(middle) and rate(110) == pytest.approx(last)
