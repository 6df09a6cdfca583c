"""What a step is spent on: each part counts for itself, and the parts are those of the trainer's own step."""

import json
import time

import pytest

from dev.step_parts import Stopwatch, summary
from support.programs import ROOT, run_python
from support.training import prepare, render_toml


def spend(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_what_a_part_calls_that_is_a_part_itself_counts_for_that_one():
    watch = Stopwatch()
    inner = watch.wrapped("inner", lambda: spend(0.05))
    with watch.part("outer"):
        spend(0.02)
        inner()
        spend(0.02)
    spend(0.05)  # nobody's
    assert watch.seconds["inner"] == pytest.approx(0.05, abs=0.01)
    assert watch.seconds["outer"] == pytest.approx(0.04, abs=0.01)


def test_medians_in_milliseconds():
    steps = [{"tower": t, "data": 0.001, "tokens": 5, "vision_tokens": 2} for t in (0.1, 0.2, 0.9)]
    result = summary(steps)
    assert (result["tower"], result["optimizer"], result["step"], result["tokens"]) == (200, 0, 201, 5)


@pytest.mark.slow
def test_a_frozen_tower_takes_no_time_when_its_outputs_are_kept(tmp_path):
    root = prepare(tmp_path / "root")
    tomls = {
        "full": render_toml(root, "full.toml"),
        "cached": render_toml(root, "cached.toml", freeze=["vision", "projector"], learning_rates={}),
    }
    words = [f"{name}={path}" for name, path in tomls.items()]
    output = tmp_path / "parts.json"
    result = run_python(
        ROOT / "scripts/dev/step_parts.py",
        *words,
        "--steps",
        3,
        "--output",
        output,
        env={"PYTHONPATH": str(ROOT / "scripts")},
    )
    assert result.returncode == 0, result.stderr
    ways = json.loads(output.read_text())["ways"]
    assert ways["full"]["tower"] > 0 and ways["full"]["projector"] > 0
    assert ways["cached"]["tower"] == ways["cached"]["projector"] == 0
    for way in ways.values():
        assert min(way["data"], way["language"], way["backward"], way["optimizer"]) > 0
        assert way["tokens"] > way["vision_tokens"] > 0
    assert "| cached |" in result.stdout
