"""The sample's questions: none can be answered without looking, and every answer can be seen."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random

import numpy as np
import pytest

from roadtrain.sample.render import frames
from roadtrain.sample.scenes import QUESTIONS, STEP, SceneQuestion, scenes
from roadtrain.sample.tree import SampleSpec

DEFAULT = SampleSpec()


@pytest.mark.parametrize("split", ["train", "val"])
def test_answers_are_uniform(split):
    for name, question in QUESTIONS.items():
        counts = Counter(s.answers[name] for s in scenes(DEFAULT) if s.key[1] == split)
        assert set(counts) == set(question.answers)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_no_answer_tells_another():
    """Knowing one answer, the best guess at another stays near chance."""
    sample = scenes(SampleSpec(train=4000, val=0))
    for a, b in combinations(QUESTIONS, 2):
        pairs = Counter((s.answers[a], s.answers[b]) for s in sample)
        guess = sum(max(pairs[x, y] for y in QUESTIONS[b].answers) for x in QUESTIONS[a].answers)
        assert guess / len(sample) < 1 / len(QUESTIONS[b].answers) + 0.05, (a, b)


def test_the_start_of_the_walk_does_not_tell_the_direction():
    sample = scenes(SampleSpec(train=3000, val=0))
    starts = {d: sorted(s.start for s in sample if s.answers["direction"] == d) for d in STEP}
    medians = [values[len(values) // 2] for values in starts.values()]
    assert max(medians) - min(medians) < 0.01
    assert max(v[0] for v in starts.values()) < 0.475 and min(v[-1] for v in starts.values()) > 0.525


def test_letters_are_uniform_and_options_distinct():
    letters = Counter()
    for scene in scenes(SampleSpec(train=1000, val=0)):
        for mcq, (name, question) in zip(scene.mcqs(), QUESTIONS.items(), strict=False):
            options = [mcq[letter] for letter in "abcd" if letter in mcq]
            assert list(mcq) == ["question", *"abcd"[: len(options)], "correct"]
            assert len(set(options)) == len(options) == min(question.offered, len(question.answers))
            assert mcq[mcq["correct"]] == scene.answers[name]
            letters[len(options), mcq["correct"]] += 1
    for n in {n for n, _ in letters}:
        total = sum(letters[n, letter] for letter in "abcd")
        assert all(abs(letters[n, letter] / total - 1 / n) < 0.03 for letter in "abcd"[:n])


def test_the_traffic_volume_can_be_counted():
    for scene in scenes(DEFAULT):
        lanes = scene.lanes
        count = {"Light": {0, 1}, "Usual": {max(3, 2 * lanes)}, "Heavy": {7 * lanes}}
        assert len(scene.vehicles) in count[scene.answers["traffic"]]
        assert all(0 <= v.lane < scene.lanes for v in scene.vehicles)


def test_the_walk_covers_the_picture():
    for scene in scenes(DEFAULT):
        walked = scene.pedestrian_at(scene.seconds - 1 / 8) - scene.pedestrian_at(0)
        direction = STEP[scene.answers["direction"]]
        assert walked == 0 if direction == 0 else walked * direction > 0.4


def test_every_answer_changes_the_picture():
    """Two scenes that differ in one answer only don't look the same, whatever the answer."""
    base = next(s for s in scenes(DEFAULT) if s.answers["brightness"] == "Bright" and s.vehicles)
    base = replace(base, vehicles=tuple(v for v in base.vehicles if v.lane == 0)[:1])
    camera = base.camera("x_Camera1_0.mp4")

    def last(scene):
        return list(frames(scene, camera))[-1].astype(int)

    for name, question in QUESTIONS.items():
        if name != "traffic":  # that is the vehicles' number
            pictures = [last(replace(base, answers={**base.answers, name: a})) for a in question.answers]
            for a, b in combinations(pictures, 2):
                changed = (np.abs(a - b).max(2) > 25).mean()
                assert changed > 0.01, (name, changed)


def test_a_question_offers_the_truth():
    question = SceneQuestion("?", tuple("PQRSTU"))
    for seed in range(50):
        mcq = question.mcq("T", Random(seed))
        assert mcq[mcq["correct"]] == "T"
