"""Killed, out of disk, read-only: the same command goes on afterwards, and nothing is lost or made twice."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadtrain import locks
from roadtrain.files import replace_links
from support.workflow import ROOT, copy_project, must_run, planned, read, snakemake, write_spec


def lines(output: str) -> list[str]:
    return output.replace("\r", "\n").splitlines()


@contextlib.contextmanager
def mounted(*options: str, at: Path):
    """A file system at a folder; skips where mounting is not allowed."""
    result = subprocess.run(["mount", *options, str(at)], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"mount: {result.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def run_kill_test(command: list) -> subprocess.CompletedProcess:
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_random_instants(finished, tmp_path):
    """A handful; docs/kills.md has the long run of the same program."""
    command = [sys.executable, ROOT / "scripts/dev/kill_test.py", "--reference", finished, "--work", tmp_path / "w"]
    command += ["--kills", "5", "--minutes", "3", "--seconds", "10", "--target", "train"]
    command += ["--output", tmp_path / "kills.json"]
    result = run_kill_test(command)
    assert result.returncode == 0, result.stdout[-4000:]
    summary = read(tmp_path / "kills.json")
    assert summary["kills"] >= 1 and summary["complete_runs"] >= 1


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The whole chain, from rendering to the report, as small as it gets."""
    reference = copy_project(tmp_path_factory.mktemp("kills") / "reference")
    change = {"data": {"sample": {"seed": 0, "train": 4, "val": 2}}, "ablations": {"fps2": None}}
    write_spec(reference, change | {"train": {"train_batch_per_replica": 12, "state_every_steps": 2}})
    must_run(reference)
    return reference


@pytest.mark.kills
@pytest.mark.timeout(3 * 3600)
def test_killed_in_every_stage(undisturbed, tmp_path):
    """More than fifty kills, some in training, evaluation and quantization."""
    command = [sys.executable, ROOT / "scripts/dev/kill_test.py", "--reference", undisturbed, "--work", tmp_path / "w"]
    command += ["--kills", "60", "--each", "4", "--minutes", "120", "--output", tmp_path / "kills.json"]
    result = run_kill_test(command)
    assert result.returncode == 0, result.stdout[-4000:]
    summary = read(tmp_path / "kills.json")
    assert summary["kills"] >= 50 and summary["complete_runs"] >= 1
    assert {"make_sample", "train_local", "evaluate_local"} <= summary["by_program"].keys()


@pytest.mark.kills
@pytest.mark.timeout(3 * 3600)
def test_killed_in_the_last_stages(undisturbed, tmp_path):
    """Short jobs, which a run from nothing seldom hits: the launch manifests among them."""
    command = [sys.executable, ROOT / "scripts/dev/kill_test.py", "--reference", undisturbed, "--work", tmp_path / "w"]
    command += ["--kills", "40", "--each", "4", "--minutes", "60", "--output", tmp_path / "kills.json", "--forget"]
    names = ("nframes8/accuracy/fp8.json", "nframes8/quantized/gate.json", "nframes8/deploy", "paper", "report.html")
    command += [f"results/small/{name}" for name in (*names, "metrics", "comparisons.json")]
    result = run_kill_test(command)
    assert result.returncode == 0, result.stdout[-4000:]
    summary = read(tmp_path / "kills.json")
    assert summary["kills"] >= 30 and summary["complete_runs"] >= 1
    assert {"gate", "render_deploy", "make_report"} <= summary["by_program"].keys()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_disk_full_in_training(work):
    """One line says so; the finished epoch stays, and with more room training goes on after it."""
    weights = work / "weights/small/nframes8"
    shutil.rmtree(weights)
    shutil.rmtree(work / "results/small/nframes8/checkpoints")
    weights.mkdir()
    # The float32 state with both moments takes 65 MB, an epoch's checkpoint 11 MB: the second epoch's state is too much.
    with mounted("-t", "tmpfs", "-o", "size=100M", "tmpfs", at=weights):
        result = snakemake(work, "train")
        assert result.returncode == 1
        says = [line for line in lines(result.stdout) if "No space left on device" in line]
        assert says and all("what was finished before is kept" in line for line in says), result.stdout[-3000:]
        assert "Traceback" not in result.stdout
        epoch = weights / "epoch_1/model.safetensors"
        before = epoch.stat().st_mtime_ns
        subprocess.run(["mount", "-o", "remount,size=1G", str(weights)], check=True)
        must_run(work, "train")
        assert epoch.stat().st_mtime_ns == before
        assert (work / "results/small/nframes8/checkpoints/epoch_2.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_read_only_results(work):
    results = work / "results"
    (results / "small/metrics/metrics.json").unlink()
    kept = {path: path.read_bytes() for path in results.rglob("*") if path.is_file() and "metrics" not in path.parts}
    with mounted("--bind", str(results), at=results):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(results)], check=True)
        result = snakemake(work)
        assert result.returncode == 1
        # Snakemake's own words when it is to replace an output, else the program's.
        says = ("Write-protected output files", "Read-only file system")
        assert any(words in line for words in says for line in lines(result.stdout)), result.stdout[-3000:]
        assert "results/small/metrics" in result.stdout
        assert "Traceback" not in result.stdout
    assert all(path.read_bytes() == value for path, value in kept.items())
    assert planned(work) == {"make_metrics": 1}


# ------------------------------------------------------------------------------------------- before the first job
@pytest.mark.slow
def test_what_a_job_would_miss_is_named_before_the_first(work):
    """Weights and frames are no outputs: a plan doesn't look for them."""
    shutil.rmtree(work / "weights/small/nframes8/epoch_1")
    shutil.rmtree(work / "cache/frames")
    predictions = "results/small/nframes8/predictions/epoch_1.jsonl"
    (work / predictions).unlink()
    result = snakemake(work, predictions)
    assert result.returncode == 1
    said = lines(result.stdout)
    assert (
        sum(line.startswith("weights/small/nframes8/epoch_1: the checkpoint is missing: fetch it") for line in said)
        == 1
    )
    assert (
        sum(
            "clips, are not in the cache: fetch them (dvc pull) or delete results/small/frames/" in line
            for line in said
        )
        == 1
    )
    assert "Evaluating" not in result.stdout and "Traceback" not in result.stdout


@pytest.mark.slow
def test_a_clock_that_went_back_deletes_nothing(work):
    """Snakemake would delete the metrics that it made: they are older than what they were made from."""
    metrics, accuracy = (
        work / "results/small/metrics/metrics.json",
        work / "results/small/nframes8/accuracy/epoch_1.json",
    )
    metrics.unlink()
    os.utime(accuracy, (time.time() + 7200,) * 2)
    result = snakemake(work, str(metrics.relative_to(work)))
    assert result.returncode == 1
    (said,) = [line for line in lines(result.stdout) if "Snakemake would delete what is made from it" in line]
    assert said.startswith("results/small/nframes8/accuracy/epoch_1.json: dated ") and "Traceback" not in result.stdout
    os.utime(accuracy, (time.time() + 20,) * 2)  # a file server's clock
    assert must_run(work, str(metrics.relative_to(work))) and metrics.is_file()


@pytest.mark.slow
def test_a_home_that_cannot_be_written(work, monkeypatch):
    monkeypatch.setenv("HOME", "/proc/home")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (work / "results/small/metrics/metrics.json").unlink()
    assert "Traceback" not in must_run(work, "results/small/metrics/metrics.json")


# ------------------------------------------------------------------------------------------------ Snakemake's folder
def test_the_lock_of_a_killed_run_goes(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.output.lock").write_text("results/a\n")
    alive = locks.hold_snakemake(tmp_path)
    assert alive and not list((tmp_path / "locks").iterdir())


def test_the_lock_of_a_living_run_stays(tmp_path):
    """Another process holds the folder; a second one leaves its locks alone, and removes them when it is gone."""
    code = "import sys, time; sys.path.insert(0, sys.argv[1]); from roadtrain import locks\n"
    code += "held = locks.hold_snakemake(sys.argv[2]); print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code, str(ROOT / "scripts"), str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.output.lock").write_text("results/a\n")
    second = locks.hold_snakemake(tmp_path)
    assert list((tmp_path / "locks").iterdir())
    os.close(second)
    other.kill()
    other.wait()
    assert locks.hold_snakemake(tmp_path) and not list((tmp_path / "locks").iterdir())


@pytest.mark.parametrize("link", ["hardlink", "symlink", "read-only"])
def test_metadata_is_never_written_through_a_link(tmp_path, link):
    cached, record = tmp_path / "cache/object", tmp_path / "metadata/record"
    for path in (cached, record):
        path.parent.mkdir()
    cached.write_text("old")
    cached.chmod(0o444)
    if link == "read-only":
        shutil.copy2(cached, record)
    else:
        (record.hardlink_to if link == "hardlink" else record.symlink_to)(cached)
    time_before = record.stat().st_mtime_ns
    replace_links(record.parent)
    assert record.read_text() == "old" and not record.is_symlink() and record.stat().st_mtime_ns == time_before
    with open(record, "w") as stream:
        stream.write("new")
    assert cached.read_text() == "old"
    assert replace_links(record.parent) == 0


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.03])
def test_sigterm_while_snakemake_looks_at_a_finished_job(tmp_path, delay):
    """Its own handler waited for ever for a lock that its main thread held while it hashed what the job had made."""
    work = copy_project(tmp_path / "w")
    write_spec(work)
    (work / "jobs.smk").write_text(f"""
import sys
sys.path.insert(0, "scripts")
import yaml
from roadtrain.paths import Paths
from roadtrain.spec.reading import read_spec
SPEC_FILE = "spec.yaml"
SPEC = read_spec(yaml.safe_load(open(SPEC_FILE)), SPEC_FILE)
RUN = Paths(SPEC.run)
rule all:
    input: "second"
rule first:
    output: [f"first_{{n}}" for n in range(200)]
    # The parent of the shell is Snakemake, which is told to end just after the job has.
    shell: "for f in {{output}}; do head -c 90000 /dev/zero > $f; done; (sleep {delay}; kill -TERM $PPID) > /dev/null 2>&1 &"
rule second:
    input: rules.first.output
    output: "second"
    shell: "sleep 1; touch {{output}}"
include: "rules/start.smk"
""")
    result = snakemake(work, "--snakefile", "jobs.smk", spec=None, timeout=90)  # it would hang
    assert "Will exit after finishing currently running jobs" in result.stdout, result.stdout[-3000:]
    assert result.returncode == 1 and len(list(work.glob("first_*"))) == 200
