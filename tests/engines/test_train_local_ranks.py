"""The local engine as several processes, on CPUs (gloo) and on GPUs: FSDP2 trains as one process does."""

import signal
import subprocess
import time

import pytest

from roadtrain import processes
from roadtrain.files import read_json
from support.programs import run_python
from support.training import command, must_train, read_log, render_toml, start, step_counts

TWO_RANKS = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--")


@pytest.fixture(scope="module")
def two_ranks(training_root):
    """The undisturbed run by two processes: FSDP2 over gloo, as two GPUs would run it."""
    toml = render_toml(training_root, "two.toml")  # the TOML of one process: CPUs are one rank together
    return on_ranks(2, training_root / "two", toml)


def on_ranks(count: int, weights, toml):
    """torchrun's processes alone: no lock, no manifests among the results."""
    weights.mkdir(exist_ok=True)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", count, "--")
    result = run_python(*launcher, *command(weights, toml))
    assert result.returncode == 0, result.stderr
    return weights


def test_two_ranks_train_as_one(undisturbed, two_ranks):
    """Same steps, losses, gradient norms and weights up to rounding: the exchanged gradients are the whole step's."""
    from safetensors.torch import load_file

    alone, both = read_log(undisturbed / "log.jsonl"), read_log(two_ranks / "train_log.jsonl")

    def exact(log):
        return [(line["step"], line["questions"], line["tokens"], line["learning_rate"]) for line in log]

    assert exact(alone) == exact(both)
    assert [a["loss"] for a in alone] == pytest.approx([b["loss"] for b in both], rel=1e-4)
    assert [a["grad_norm"] for a in alone] == pytest.approx([b["grad_norm"] for b in both], rel=1e-3)
    for n in (1, 2):
        a, b = (load_file(folder / f"epoch_{n}/model.safetensors") for folder in (undisturbed, two_ranks))
        assert a.keys() == b.keys()
        assert all((a[name] - b[name]).float().abs().max() < 1e-2 for name in a)
        manifests = (two_ranks / f"epoch_{n}.json", undisturbed / f"manifests/epoch_{n}.json")
        assert len({tuple(read_json(manifest)["files"]) for manifest in manifests}) == 1


def test_muon_on_two_ranks_trains_as_on_one(training_root, tmp_path):
    """Each rank gathers a matrix's update and orthogonalizes it: the arithmetic of one."""
    toml = render_toml(training_root, "muon.toml", optimizer="Muon", epochs=1)
    folders = must_train(tmp_path / "alone", toml), on_ranks(2, tmp_path / "both", toml)
    alone, both = ([line["loss"] for line in read_log(folder / "train_log.jsonl")] for folder in folders)
    assert alone == pytest.approx(both, rel=1e-3) and alone[0] != alone[-1]


@pytest.mark.parametrize("count", [1, 2], ids=["one rank", "two ranks"])
def test_ranks_resume_exactly_from_shards_and_on_another_number_of_them(training_root, two_ranks, tmp_path, count):
    """Stopped by SIGTERM, as a cluster does, then started again by as many processes or by one."""
    toml = render_toml(training_root, "two.toml")
    process, log = start(tmp_path, toml, launcher=TWO_RANKS), tmp_path / "train_log.jsonl"
    while process.poll() is None and not (log.exists() and read_log(log)):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode
    state = read_json(tmp_path / "state/progress.json")
    assert state["ranks"] == 2 and state["step"] < step_counts(training_root)[1]
    on_ranks(count, tmp_path, toml)
    again, straight = ([line["loss"] for line in read_log(path)] for path in (log, two_ranks / "train_log.jsonl"))
    assert again == straight if count == 2 else again == pytest.approx(straight, rel=1e-4)


def toml_of_gpus(training_root, gpus: int, name: str, **settings):
    """A TOML for so many GPUs with as many questions a step as the run on the CPU."""
    import torch

    if torch.cuda.device_count() < gpus:
        pytest.skip(f"{torch.cuda.device_count()} GPUs here")
    return render_toml(training_root, f"{name}.toml", gpus=gpus, train_batch_per_replica=6 // gpus, **settings)


@pytest.mark.gpu
@pytest.mark.parametrize("gpus", [1, 2])
@pytest.mark.parametrize("dtype, near", [("float32", 2e-3), ("bfloat16", 2e-2)])
def test_gpus_train_as_a_cpu_does(training_root, undisturbed, tmp_path, gpus, dtype, near):
    """flex_attention, compiled, sharded by FSDP2 over NCCL: the same steps, and losses up to the arithmetic's rounding."""
    result = run_python(*command(tmp_path, toml_of_gpus(training_root, gpus, f"{dtype}_{gpus}", dtype=dtype)))
    assert result.returncode == 0, result.stderr
    assert f" x {gpus}: gradient checkpointing of 0%" in result.stderr and "SDPA" not in result.stderr
    cpu, gpu = read_log(undisturbed / "log.jsonl"), read_log(tmp_path / "log.jsonl")

    def exact(log):
        return [(line["step"], line["questions"], line["learning_rate"]) for line in log]

    assert exact(cpu) == exact(gpu)
    assert [a["loss"] for a in cpu] == pytest.approx([b["loss"] for b in gpu], rel=near)
    assert read_json(tmp_path / "manifests/epoch_2.json")["gpus"] == gpus


@pytest.mark.gpu
@pytest.mark.parametrize("gpus", [1, 2])
def test_a_killed_run_on_gpus_goes_on_with_the_same_losses(training_root, tmp_path, gpus):
    """SIGKILL to all of its processes at once. Sums over a GPU's threads may differ in the last digits from run to run."""
    toml = toml_of_gpus(training_root, gpus, f"killed_{gpus}")
    straight, killed = must_train(tmp_path / "straight", toml), tmp_path / "killed"
    process = start(killed, toml, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (killed / "state/progress.json").exists():
        time.sleep(0.01)
    ranks = processes.descendants(process.pid)  # torchrun and its ranks, which have sessions of their own
    process.kill()
    for rank in ranks:
        rank.kill()
    process.wait()
    assert read_json(killed / "state/progress.json")["ranks"] == gpus and not (killed / "manifests").exists()
    must_train(killed, toml)
    losses = [[line["loss"] for line in read_log(path / "log.jsonl")] for path in (straight, killed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
