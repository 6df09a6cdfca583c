"""Which questions an optimizer step and a pass hold."""

import pytest

from roadtrain.train import batches
from support import tiny


@pytest.fixture
def questions():
    """Six videos of four scenarios with three questions each."""
    return [question for n in range(6) for question in tiny.entries(3, video=f"v{n}.mp4", scenario=str(n % 4))]


def epoch_of(questions, **settings):
    defaults = {"epoch": 1, "seed": 0, "batch_questions": 6, "questions_per_video": None}
    return batches.steps(questions, **defaults | settings)


def test_cameras_of_a_scenario_fall_in_different_steps(questions):
    for epoch in (1, 2, 3):
        steps = epoch_of(questions, epoch=epoch)
        assert sorted(q.id for step in steps for g in step for q in g.entries) == sorted(q.id for q in questions)
        assert all(len({group.scenario for group in step}) == len(step) for step in steps)


def test_the_order_depends_on_seed_and_epoch_only(questions):
    def order(**settings):
        return epoch_of(questions, **{"questions_per_video": 2} | settings)

    assert order() == order() and order() != order(epoch=2) and order() != order(seed=1)
    assert all(len(group.entries) <= 2 for step in order() for group in step)
    assert all(len(group.entries) == 1 for step in order(questions_per_video=1) for group in step)


def test_passes_hold_a_mini_batch_each(questions):
    step = epoch_of(questions, batch_questions=12, questions_per_video=2)[0]
    passes = batches.passes(step, 3)
    assert [group for groups in passes for group in groups] == step
    assert {len(groups) for groups in passes[:-1]} == {3} and 1 <= len(passes[-1]) <= 3
