"""Snakemake's own reading of the spec decides nothing: a dry run takes it as it is written, and says what is absent."""

import subprocess

import pytest

from support.programs import python
from support.workflow import ROOT, copy_project


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    work = copy_project(tmp_path_factory.mktemp("spec_reading"))
    text = (ROOT / "specs/own-data.yaml").read_text().replace("run: own-data", "run: 010")
    (work / "own.yaml").write_text(text.replace("model: specs/sample/base", "model: README.md"))
    return work


def dry_run(work, *arguments):
    command = [python(), "-m", "snakemake", "--dry-run", *arguments]
    return subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)


@pytest.mark.slow
def test_a_key_that_is_there_twice_is_named_with_both_lines(work):
    text = (work / "own.yaml").read_text()
    (work / "twice.yaml").write_text(f"{text}train: {{epochs: 3}}\n")
    first, second = (
        n for n, line in enumerate((work / "twice.yaml").read_text().splitlines(), 1) if line.startswith("train:")
    )
    result = dry_run(work, "--configfile", "twice.yaml")
    assert result.returncode == 1
    assert result.stdout.strip().endswith(f"twice.yaml: train: is there twice, in line {first} and line {second}")


@pytest.mark.slow
def test_a_dry_run_says_what_is_absent_and_plans_with_values_as_written(work):
    result = dry_run(work, "data", "--configfile", "own.yaml")
    assert "own.yaml: data.root: data/example: no such folder" in result.stdout
    assert "own.yaml: model: README.md: a file, not a model's folder" in result.stdout
    assert "Traceback" not in result.stdout
    result = dry_run(work, "results/010/nframes4/sft.toml", "--configfile", "own.yaml")
    assert result.returncode == 0 and "results/010/nframes4/sft.toml" in result.stdout, result.stdout


@pytest.mark.slow
def test_values_of_the_command_line_are_read_the_same_way(work):
    result = dry_run(work, "--config", "train={epochs: 010}", "--configfile", "own.yaml")
    assert result.returncode == 1 and "train.epochs: 010: should be a number as 30" in result.stdout
    result = dry_run(work, "results/on/nframes4/sft.toml", "--config", "run=on", "--configfile", "own.yaml")
    assert result.returncode == 0 and "results/on/nframes4/sft.toml" in result.stdout, result.stdout
