"""compare_runs.py: what it prints and writes, and its mistakes in one line."""

import json
import re

import pytest

from support.fabricate import fabricate
from support.programs import run_program
from support.run_pairs import change_rows, copy_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("runs"), scenarios=6, frames=False).parent


@pytest.fixture
def copy(run, tmp_path):
    return copy_run(run, tmp_path / "other")


def test_the_program_prints_tables_and_writes_json_and_a_page(run, copy, tmp_path):
    hostile = copy.with_name("<script>alert(1)<b>$x_y$\x1b[31m")
    copy.rename(hostile)
    change_rows(hostile / "nframes8/predictions/epoch_3.jsonl", lambda row: row.update(response="I cannot tell"))
    output, page = tmp_path / "out.json", tmp_path / "out.html"
    process = run_program(
        "compare_runs.py", run, hostile, checkpoint="last", bootstrap_samples=200, output=output, page=page
    )
    assert process.returncode == 0, process.stderr
    assert "Their specs are the same." in process.stdout and "price" not in process.stdout  # nobody noted one
    assert "\x1b" not in process.stdout and "common to all 4 sides" in process.stdout
    assert re.search(r"points below made-up/nframes8 epoch 3 ", process.stdout)
    comparison = json.loads(output.read_text())
    assert comparison["sides"][0]["cost"]["training_seconds"] == 61.5 * 3
    text = page.read_text()
    assert "<script" not in text and "default-src 'none'" in text and "\x1b" not in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|\#)""", text)
    assert text.count("data:image/svg+xml;base64,") == 4 and "&lt;script&gt;" in text
    again = tmp_path / "again.html"
    run_program("compare_runs.py", run, hostile, checkpoint="last", bootstrap_samples=200, page=again)
    assert again.read_bytes() == page.read_bytes()


@pytest.mark.parametrize(
    "options, line",
    [
        ({"ablation": "fps9"}, "--ablation: no run has fps9; there are fps1_8k, nframes8"),
        ({"checkpoint": "epoch_9"}, "epoch_9.jsonl: no such file"),
    ],
)
def test_mistakes_are_one_line(run, copy, options, line):
    process = run_program("compare_runs.py", run, copy, **options)
    assert process.returncode == 1 and process.stderr.count("\n") == 1 and line in process.stderr


def test_one_run_alone_is_no_comparison(run):
    process = run_program("compare_runs.py", run)
    assert process.returncode == 1 and "two runs with predictions of best are needed" in process.stderr
