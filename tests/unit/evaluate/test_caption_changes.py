"""What two checkpoints' captions differ by: the same differences as of their scores, whatever sets, subjects and cameras there are."""

import random
from dataclasses import replace

import numpy as np
import pytest

from roadtrain.evaluate import statistics
from roadtrain.evaluate.caption_changes import Part, caption_changes
from roadtrain.evaluate.caption_predictions import CaptionPrediction, score_captions
from roadtrain.evaluate.predictions import Prediction
from support.captions import caption, reworded

SAMPLES = 500


def texts(rng, scenario, label, subject, camera=1, response="", reference=None) -> CaptionPrediction:
    video = (
        f"external/BDD_PC_5K/videos/val/{scenario}.mp4" if scenario.startswith("video") else f"{scenario}_{camera}.mp4"
    )
    id = f"{scenario}_{label}_{subject}_{camera}"
    return CaptionPrediction(id, video, scenario, label, subject, response, reference or caption(rng, 9))


def answer(scenario, number, right) -> Prediction:
    letter = "A" if right else "B"
    return Prediction(
        f"{scenario}q{number}", "v", scenario, "q", {"A": "x", "B": "y"}, letter, "A", letter, "r", letter
    )


def checkpoints(seed=0, phases=3):
    """Two of nine scenarios, of both sets, with other numbers of phases, cameras and questions each."""
    rng, sides = random.Random(seed), ([], [])
    for n in range(9):
        scenario = f"video{n}" if n % 3 == 0 else f"s{n}"
        for label in "01234"[: 1 + (n + phases) % 5]:
            for subject in ("pedestrian", "vehicle")[: 1 if n == 4 else 2]:
                for camera in range(1, 2 + n % 2):
                    reference = caption(rng, 9)
                    for side in sides:
                        side.append(texts(rng, scenario, label, subject, camera, reworded(rng, reference), reference))
    answers = [[answer(f"s{n}", k, rng.random() < 0.5) for n in range(12) for k in range(1 + n % 3)] for _ in sides]
    return list(zip(sides, answers, strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_differences_are_those_of_the_scores(seed):
    """The accuracy JSON's numbers, which are computed another way."""
    before, after = checkpoints(seed)
    changes = caption_changes(before, after)
    scores = [score_captions(*side, SAMPLES) for side in (before, after)]
    assert [100 * changes.captions.before, 100 * changes.captions.after] == pytest.approx([s["score"] for s in scores])
    assert [100 * changes.s2.before, 100 * changes.s2.after] == pytest.approx([s["s2"] for s in scores])
    assert 100 * changes.s2.difference == pytest.approx(scores[1]["s2"] - scores[0]["s2"])
    for part in (changes.captions, changes.s2):
        assert part.weights.sum() == pytest.approx(1) and (np.abs(part.changes) <= part.weights + 1e-12).all()


def test_captions_that_one_could_not_write_are_in_neither():
    before, after = checkpoints()
    blind = [
        c if c.scenario != "s1" else CaptionPrediction(c.id, c.video, c.scenario, c.label, c.subject, None, c.reference)
        for c in after[0]
    ]
    changes = caption_changes(before, (blind, after[1]))
    alone = [[c for c in side if c.scenario != "s1"] for side in (before[0], after[0])]
    scores = [score_captions(captions, side[1], SAMPLES) for captions, side in zip(alone, (before, after), strict=True)]
    assert 100 * changes.captions.difference == pytest.approx(scores[1]["score"] - scores[0]["score"])
    with pytest.raises(ValueError, match="not one caption, or not one question, in common"):
        caption_changes(before, ([], after[1]))


@pytest.mark.parametrize("change", [{"scenario": "elsewhere"}, {"correct": "B"}])
def test_questions_of_different_conversions_are_not_compared(change):
    before, (captions, (first, *others)) = checkpoints()
    after = captions, [replace(first, **change), *others]
    for sides in ((before, after), (after, before)):
        with pytest.raises(ValueError, match=f"{first.id}: the question has another answer or scenario in the two"):
            caption_changes(*sides)


def test_the_interval_is_over_scenarios_and_paired():
    """Much narrower than the scores' own intervals where the same scenarios are hard for both."""
    before, _ = checkpoints()
    better = [
        c if n % 7 else CaptionPrediction(c.id, c.video, c.scenario, c.label, c.subject, c.reference, c.reference)
        for n, c in enumerate(before[0])
    ]
    part = caption_changes(before, (better, before[1])).captions
    low, high = part.interval(SAMPLES)
    assert 0 <= low < part.difference < high
    own = score_captions(*before, SAMPLES)["ci95"]
    assert 100 * (high - low) < own[1] - own[0]
    bootstrap, exact = part.bounds(SAMPLES)
    assert exact < bootstrap < part.difference


def test_nothing_changed_is_no_certainty():
    before, _ = checkpoints()
    part = caption_changes(before, before).captions
    assert part.difference == 0 and part.interval(SAMPLES)[0] < -0.2 < 0.2 < part.interval(SAMPLES)[1]
    bootstrap, exact = part.bounds(SAMPLES)
    assert bootstrap == 0 and exact < -0.2


def test_the_bound_is_a_bootstraps_and_covers():
    """Of made-up differences with a known mean the one-sided bound lies below it about as often as it says."""
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(200):
        values = rng.normal(0.05, 0.1, 60) / 60

        part = Part(0.5, 0.5, values, np.full(60, 1 / 60))
        below += part.bounds(300)[0] <= 0.05
    assert 0.88 <= below / 200 <= 0.995 and statistics.LEVEL == 0.95


@pytest.mark.parametrize("change", [{"reference": "Another."}, {"label": "9"}, {"scenario": "elsewhere"}])
def test_captions_of_other_conversations_are_refused(change):
    """The same ids beside other references: a difference would be that of the references."""
    before, after = checkpoints()
    captions = [replace(after[0][0], **change), *after[0][1:]]
    with pytest.raises(ValueError, match=f"{after[0][0].id}: the caption has another reference, scenario or phase"):
        caption_changes(before, (captions, after[1]))
