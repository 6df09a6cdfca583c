"""What Snakemake's Slurm plugin reads as a job's state where there is accounting: profiles/slurm/bin/sacct."""

import subprocess
from pathlib import Path

SACCT = Path(__file__).parents[3] / "profiles/slurm/bin/sacct"


def ask(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess:
    """The wrapper, before a cluster's sacct that is this script."""
    (folder / "sacct").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sacct").chmod(0o755)
    path = f"{SACCT.parent}:{folder}:/usr/bin:/bin"
    return subprocess.run(
        ["sacct", *(words or ("-X", "--name", "a b"))], env={"PATH": path}, capture_output=True, text=True
    )


def test_a_cancelled_job_is_one_that_has_ended(tmp_path):
    """The plugin knows CANCELLED, and waits for ever for `CANCELLED by 0`."""
    process = ask(tmp_path, "printf '1|CANCELLED by 0\\n2|RUNNING\\n3|CANCELLED by 1000|x\\n'")
    assert process.stdout == "1|CANCELLED\n2|RUNNING\n3|CANCELLED|x\n" and process.returncode == 0


def test_arguments_errors_and_the_exit_code_are_the_clusters_own(tmp_path):
    process = ask(tmp_path, 'echo "$# $4"; echo no database >&2; exit 3')
    assert (process.stdout, process.stderr, process.returncode) == ("3 \n", "no database\n", 3)
    assert ask(tmp_path, 'echo "$3"').stdout == "a b\n"


def test_no_node_of_a_lost_job_is_kept_from_later_jobs(tmp_path):
    """The plugin would exclude all nodes of a job that lost one, or `None assigned`, with which sbatch fails."""
    words = ["-j", "7", "-n", "-X", "-o", "nodelist%-256"]  # as the plugin asks
    assert ask(tmp_path, "echo None assigned", *words).stdout == ""
