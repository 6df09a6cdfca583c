"""docs/compare.md: a run of another commit, or of an experiment, is brought by `dvc get` and compared."""

import json

import pytest

from support.dvc import sh
from support.fabricate import fabricate
from support.programs import run_program
from support.run_pairs import change_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A project with two commits and an experiment on the second, each with another accuracy."""
    work = tmp_path_factory.mktemp("commits") / "clone"
    fabricate(work, scenarios=6, frames=False)
    sh(work, "git", "init", "--quiet", "--initial-branch", "main")
    sh(work, "dvc", "init", "--quiet")
    (work / "dvc.yaml").write_text("stages:\n  workflow:\n    cmd: 'true'\n    outs: [results: {persist: true}]\n")
    for step, camera in enumerate(("", "Camera1", "Camera2")):
        if camera:
            for file in work.glob("results/made-up/*/predictions/epoch_3.jsonl"):
                change_rows(file, lambda row, c=camera: row.update(response="?") if c in row["video"] else None)
        sh(work, "dvc", "commit", "--force", "--quiet")
        sh(work, "git", "add", "--all")
        if step < 2:
            sh(work, "git", "commit", "--quiet", "--message", f"run {step}")
    sh(work, "dvc", "exp", "save", "--name", "try-1")
    sh(work, "git", "checkout", "--quiet", "--force", "main")
    sh(work, "dvc", "checkout", "--force", "--quiet")
    return work


@pytest.mark.parametrize("revision, change", [("HEAD~1", 1), ("try-1", -1)])
def test_the_run_of_a_commit_and_of_an_experiment_is_compared(clone, tmp_path, revision, change):
    other = tmp_path / revision / "made-up"
    sh(clone, "dvc", "get", ".", "results/made-up", "--rev", revision, "--out", str(other))
    output = tmp_path / "runs.json"
    process = run_program("compare_runs.py", other, "results/made-up", bootstrap_samples=200, output=output, cwd=clone)
    assert process.returncode == 0, process.stderr
    pair = json.loads(output.read_text())["pairs"][0]
    assert pair["questions"] == 144 and pair["not_common"] == {}
    # One camera of two can no longer be read in the commit, both in the experiment.
    assert -0.6 < pair["difference"] * change < -0.3
