"""The first hour with one's own clips: init.py's spec runs, by the commands that it prints."""

import subprocess

import pytest

from support.clips import render
from support.fabricate import fabricate
from support.programs import run_python, tools
from support.workflow import copy_project, must_run, read


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_spec_of_somebodys_clips_runs_by_the_printed_commands(tmp_path):
    work = copy_project(tmp_path / "project")
    clips = tmp_path / "our clips"
    questions = [("What colour?", "Red|Green", "A"), ("Does it move?", "Yes|No", "Yes")]
    rows = [f"c{n}.mp4,{text},{options},{answer}" for n in range(5) for text, options, answer in questions]
    for n in range(5):
        render(clips / f"c{n}.mp4", frames=10, seed=n)
    (clips / "questions.csv").write_text("video,question,options,answer\n" + "\n".join(rows))
    process = run_python("scripts/init.py", clips, "--model", "specs/sample/base", "--gpus", "0", cwd=work)
    assert process.returncode == 0, process.stderr
    check, plan, everything, watch = process.stdout.split("Next:\n\n")[1].splitlines()[-4:]
    accuracy = "results/our-clips/nframes8/accuracy/epoch_3.json"
    for command in (
        check,
        plan,
        everything.replace("--cores all", f"--cores all {accuracy}"),
        watch.replace(" our-clips", " our-clips --once"),
    ):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=work,
            env=tools(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
    assert read(work / accuracy)["total_questions"] == 2
    audit = read(work / "results/our-clips/data/audit.json")
    assert (audit["division"]["groups"], audit["division"]["validating"], audit["leaks"]["total"]) == (5, 1, 0)


@pytest.mark.slow
def test_a_run_ends_with_its_results_and_not_with_a_wall_of_paths(tmp_path):
    """Whatever the target: here one small file of a run that has everything else."""
    work = copy_project(tmp_path / "project")
    spec = fabricate(work, scenarios=4, frames=False)
    (spec.parent / "report.html").write_text("a report")
    spec.unlink()
    out = must_run(work, "results/made-up/spec.json", "--config", "run=made-up", spec="specs/sample.yaml")
    tail = out.split("(100%) done")[1]
    assert "nframes8: epoch " in tail and "the gate " in tail and "The report: results/made-up/report.html" in tail, (
        tail
    )
    assert max(map(len, out.splitlines())) < 300
