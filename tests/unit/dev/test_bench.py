"""The benchmarks of the GPU engine run anywhere at a tiny size, compare both ways themselves and say what they found.

On a machine with a GPU (pytest -m gpu) this is flex_attention, compiled, in FSDP2 against stock transformers.
"""

import json
import subprocess
from pathlib import Path

import pytest

from support.programs import ROOT, run_program, run_python


def run(program: str, **options: object) -> subprocess.CompletedProcess[str]:
    """A developers' program, started as its docstring says."""
    return run_program(f"dev/{program}.py", env={"PYTHONPATH": "scripts"}, **options)


def bench(name: str, output: Path, **options: object) -> tuple[str, list[dict]]:
    result = run(name, sizes="tiny", tokens=24, questions=4, length=20, output=output, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout, json.loads(output.read_text())["rows"]


@pytest.mark.gpu
def test_training_on_a_gpu_is_stock_transformers(tmp_path):
    _, rows = bench("bench_train", tmp_path / "b.json", videos=2, steps=1, ways="stock,shared")
    assert rows[1]["attention"] == "flex" and rows[1]["loss_difference"] < 0.01 and rows[1]["gradient_cosine"] > 0.99


@pytest.mark.slow
def test_training_both_ways_is_compared_and_timed(tmp_path):
    ways = "stock,shared,shared/checkpointing,dense"
    out, rows = bench("bench_train", tmp_path / "b.json", videos=2, steps=1, ways=ways)
    assert [row["way"] for row in rows] == ways.split(",") and all(row["questions_a_second"] > 0 for row in rows)
    for row in rows[1:]:
        limit = 1e-5 if row["attention"] != "flex" else 0.01
        assert (
            row["loss_difference"] < limit
            and abs(row["gradient_norm_ratio"] - 1) < 10 * limit
            and row["gradient_cosine"] > 1 - 10 * limit
        )
    assert rows[2]["checkpointed"] == 1 and "ms a video" in out


@pytest.mark.slow
def test_frozen_cached_and_lora_are_timed(tmp_path):
    ways = "stock,shared,frozen/2,cached/2,lora/2/checkpointing,lora+cached/2"
    _, rows = bench("bench_train", tmp_path / "b.json", videos=4, steps=1, ways=ways)
    assert [row["way"] for row in rows] == ways.split(",") and all(row["questions_a_second"] > 0 for row in rows)
    _, everything, frozen, cached, lora, _ = rows
    assert everything["trained_weights"] > frozen["trained_weights"] == cached["trained_weights"]
    assert lora["trained_weights"] < frozen["trained_weights"] / 10 and lora["checkpointed"] == 1
    for row in rows[1:4]:  # gradients of what is trained are stock's
        assert row["loss_difference"] < 1e-5 and row["gradient_cosine"] > 1 - 1e-4


@pytest.mark.slow
def test_the_trainer_is_timed_on_clips_of_noise(tmp_path):
    """scripts/dev/gpu/adapt.sh runs it at 2B. It writes where it is started."""
    for folder in ("scripts", "specs", "tests"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    command = ("scripts/dev/gpu/adapt_trainer.py", "--out", tmp_path, "--tiny", "--clips", 3)
    result = run_python(*command, cwd=tmp_path, env={"PYTHONPATH": "scripts"})
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "trainer.json").read_text())["rows"]
    assert [row["way"] for row in rows] == ["lora+cached", "cached"]
    assert all(len(row["step_seconds"]) == 3 and row["questions_a_second"] > 0 for row in rows)


@pytest.mark.slow
def test_evaluation_both_ways_gives_the_same_answers(tmp_path):
    out, rows = bench("bench_evaluate", tmp_path / "b.json", videos=2)
    assert [row["way"] for row in rows] == ["stock", "shared", "shared/letters"] and "x stock" in out
    assert rows[1]["same_answers_as_stock"] == 1 and rows[1]["compared"] == 12


def test_a_way_that_does_not_exist_is_named(tmp_path):
    result = run("bench_train", ways="fast", output=tmp_path / "b.json")
    assert result.returncode == 2 and "--ways fast" in result.stderr
