"""No two jobs of a machine get the same GPU. The GPUs are numbers here: nothing computes on them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from support.workflow import ROOT, copy_project

ON_GPUS = [sys.executable, ROOT / "scripts/on_gpus.py"]
# Says which GPUs it has when it begins and ends: a line each, in order.
JOB = """
import os, sys, time
def say(what): os.write(out, f"{what} {os.environ['CUDA_VISIBLE_DEVICES']}\\n".encode())
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
say("begin"); time.sleep(float(sys.argv[2])); say("end")
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An environment with four GPUs and a folder of locks of its own."""
    for name in ("SLURM_JOB_ID", "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return os.environ | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}


def begin(machine, tmp_path, count, seconds, **kwargs):
    command = [*ON_GPUS, str(count), sys.executable, "-c", JOB, str(tmp_path / "events"), str(seconds)]
    return subprocess.Popen(command, env=machine, stderr=subprocess.PIPE, text=True, **kwargs)


def wait_for(path, text):
    deadline = time.monotonic() + 60
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def shared_gpus(events: str) -> list[str]:
    """GPUs that a job got while another one had them."""
    used, twice = set(), []
    for line in events.splitlines():
        what, _, names = line.partition(" ")
        for name in names.split(","):
            if what == "end":
                used.remove(name)
            else:
                twice += [name] if name in used else []
                used.add(name)
    return twice


def test_jobs_at_once_never_share_a_gpu(machine, tmp_path):
    jobs = [begin(machine, tmp_path, count, 0.2) for count in (1, 2, 1, 3, 1, 4, 2, 1)]
    assert [job.wait(timeout=120) for job in jobs] == [0] * len(jobs), [job.stderr.read() for job in jobs]
    events = (tmp_path / "events").read_text()
    assert events.count("begin") == len(jobs) and shared_gpus(events) == []
    assert sorted(len(line.split(",")) for line in events.splitlines() if "begin" in line) == [1, 1, 1, 1, 2, 2, 3, 4]


def test_a_killed_job_leaves_its_gpus_free(machine, tmp_path):
    killed = begin(machine, tmp_path, 4, 600)
    wait_for(tmp_path / "events", "begin 0,1,2,3")
    after = begin(machine, tmp_path, 1, 0)
    assert "waiting for 1 of 4 GPUs" in (line := after.stderr.readline()) and f"process {killed.pid}" in line
    killed.send_signal(signal.SIGKILL)
    assert after.wait(timeout=60) == 0
    assert (tmp_path / "events").read_text().endswith("begin 0\nend 0\n")
    killed.wait()


def test_no_gpus_and_too_many(machine, tmp_path):
    assert begin(machine, tmp_path, 0, 0).wait(timeout=60) == 0
    assert (tmp_path / "events").read_text() == "begin \nend \n"
    result = subprocess.run([*ON_GPUS, "5", "true"], env=machine, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "on_gpus.py: 5 GPUs are asked for (gpus in the spec), 4 can be used: 0, 1, 2, 3; lower gpus, or look at CUDA_VISIBLE_DEVICES"
    )


def test_a_slurm_job_counts_its_own_gpus(machine, tmp_path):
    """With cgroups two jobs of a node both have GPU 0, and mean different ones."""
    one = begin(machine | {"SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0"}, tmp_path, 1, 600)
    wait_for(tmp_path / "events", "begin 0")
    two = begin(machine | {"SLURM_JOB_ID": "2", "CUDA_VISIBLE_DEVICES": "0"}, tmp_path, 1, 0)
    assert two.wait(timeout=60) == 0
    one.kill()
    one.wait()


def test_nodes_of_a_slurm_job_that_share_their_temporary_files(machine, tmp_path):
    """Both have a GPU 0: the second task would wait for the first's, which waits for the second at the first exchange."""
    job = machine | {"SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0"}
    one = begin(job | {"SLURMD_NODENAME": "a"}, tmp_path, 1, 600)
    wait_for(tmp_path / "events", "begin 0")
    assert begin(job | {"SLURMD_NODENAME": "b"}, tmp_path, 1, 0).wait(timeout=60) == 0
    one.kill()
    one.wait()


@pytest.mark.parametrize("planted", ["roadtrain-gpus", "roadtrain-gpus/0.lock", "roadtrain-gpus/choosing.lock"])
def test_a_planted_link_overwrites_nothing(machine, tmp_path, planted):
    """The folder lies where everybody may write. The victim's file would get the number of the job's process."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "0.lock").write_text("precious\n")
    link = tmp_path / planted
    link.parent.mkdir(exist_ok=True)
    link.parent.chmod(0o1777)
    link.symlink_to(victim if planted == "roadtrain-gpus" else victim / "0.lock")
    job = begin(machine, tmp_path, 1, 0)
    assert job.wait(timeout=60) == 1
    assert f"{link}: " in (line := job.stderr.read()) and line.count("\n") == 1, line
    assert (victim / "0.lock").read_text() == "precious\n" and os.listdir(victim) == ["0.lock"]


def test_a_folder_from_which_everybody_may_remove_locks(machine, tmp_path):
    (tmp_path / "roadtrain-gpus").mkdir()
    (tmp_path / "roadtrain-gpus").chmod(0o777)
    job = begin(machine, tmp_path, 1, 0)
    assert job.wait(timeout=60) == 1
    assert "chmod 1777" in job.stderr.read()


@pytest.mark.slow
def test_ablations_under_the_workstation_profile(machine, tmp_path):
    """Snakemake starts as many jobs as there are GPUs, side by side, each on one of its own."""
    work = copy_project(tmp_path / "w")
    (work / "job.py").write_text(JOB)
    # The rules' own way to start a program, with a program that only says where it runs.
    (work / "jobs.smk").write_text("""
import sys
ON_GPUS = f"{sys.executable} scripts/on_gpus.py"
rule all:
    input: expand("{n}.done", n=range(6))
rule job:
    output: touch("{n}.done")
    resources: gpu=1
    shell: "{ON_GPUS} {resources.gpu} {sys.executable} job.py events 1.5"
""")
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/workstation", "--snakefile", "jobs.smk"]
    command += ["--cores", "8", "--resources", "gpu=3"]
    result = subprocess.run(command, cwd=work, env=machine, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert result.returncode == 0, result.stdout[-3000:]
    events = (work / "events").read_text()
    assert shared_gpus(events) == []
    assert {line.split()[1] for line in events.splitlines()} == {"0", "1", "2"}, events  # in parallel


def test_every_rule_with_gpus_starts_its_program_so():
    """A rule that asks for GPUs and doesn't lock them would share them."""
    rules = {path.name: path.read_text() for path in (ROOT / "rules").glob("*.smk")}
    needing = sum(text.count("**stage_resources(") for text in rules.values())
    starting = sum(text.count("python scripts/on_gpus.py {resources.gpu} python ") for text in rules.values())
    starting += sum(text.count("{resources.nodes} {resources.gpu} python ") for text in rules.values())  # on_nodes.py
    assert needing == starting == 6
    assert not [name for name, text in rules.items() if "gpu=" in text and name != "resources.smk"]
