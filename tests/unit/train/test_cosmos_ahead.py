"""Sequences for cosmos-rl are made before they are asked for, across steps and epochs; an order that isn't the plan's is seen."""

import dataclasses
import threading

import pytest

from roadtrain.train import toml_config
from roadtrain.train.cosmos.ahead import SequencesAhead
from roadtrain.train.cosmos.plan import PlannedGroup, counting, passes_from, rank_steps
from support import tiny
from support.run_toml import render_ablation


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("ahead") / "sft.toml"
    path.write_text(render_ablation("specs/sample.yaml", "nframes8"))
    return dataclasses.replace(toml_config.read_train_run(path), batch_questions=4, epochs=3)


@pytest.fixture(scope="module")
def entries():
    counts = (2, 3, 1, 4, 2)
    return [e for v, count in enumerate(counts) for e in tiny.entries(count, video=f"v{v}.mp4", scenario=f"s{v}")]


def planned(run, entries, ranks=1, rank=0):
    """Passes, as cosmos-rl slices a step."""
    steps = [step for epoch in range(1, run.epochs + 1) for step in rank_steps(run, entries, ranks, rank, epoch)]
    return [tuple(step[n : n + run.mini_batch]) for step in steps for n in range(0, len(step), run.mini_batch)]


def place(one):
    return one[0].place


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("mini_batch", [1, 2, 4])
def test_what_follows_a_pass_is_the_rest_of_the_run(run, entries, ranks, mini_batch):
    run = dataclasses.replace(run, mini_batch=mini_batch, batch_questions=8)
    for rank in range(ranks):
        passes = planned(run, entries, ranks, rank)
        places = [group.place for one in passes for group in one]
        assert places == sorted(places) and len(set(places)) == len(places)
        for first in range(len(passes)):
            assert list(passes_from(run, entries, ranks, rank, passes[first][0])) == passes[first:]


def test_a_pass_leaves_out_what_counts_nothing():
    groups = [PlannedGroup((1, 0, n), (n,), share) for n, share in enumerate([0.5, 0.5, 0.0, 0.0])]
    assert counting(groups[:2]) == groups[:2] and counting(groups[1:3]) == groups[1:2]
    assert counting(groups[2:]) == groups[2:3], "every rank has as many passes"


def test_the_next_steps_sequences_are_made_while_this_one_is_used(run, entries):
    passes, made, step_two = planned(run, entries), [], threading.Event()

    def make(one):
        made.append(place(one))
        if place(one)[:2] == (1, 1):
            step_two.set()
        return place(one)

    ahead = SequencesAhead(make, lambda first: passes_from(run, entries, 1, 0, first), threads=3)
    first_step = [one for one in passes if place(one)[:2] == (1, 0)]
    assert [ahead.take(one) for one in first_step] == list(map(place, first_step))
    assert step_two.wait(timeout=10), "nobody has asked for the second step yet"
    rest = passes[len(first_step) :]
    assert [ahead.take(one) for one in rest] == list(map(place, rest))
    assert sorted(made) == list(map(place, passes)), "each once, over the ends of epochs"
    assert ahead.waited >= 0
    ahead.close()


def test_a_pass_out_of_order_gets_its_own_sequence(run, entries):
    """A resumed run begins in the middle; whatever comes, no pass is trained on another's questions."""
    passes = planned(run, entries)
    ahead = SequencesAhead(lambda one: one[0].entries, lambda first: passes_from(run, entries, 1, 0, first), threads=2)
    for n in (4, 5, 1, 2, len(passes) - 1, 0):
        assert ahead.take(passes[n]) == passes[n][0].entries
    ahead.close()


def test_what_making_a_sequence_raises_reaches_the_trainer(run, entries):
    passes = planned(run, entries)

    def make(one):
        if one == passes[1]:
            raise ValueError("v1.mp4: 9000 tokens")
        return one

    ahead = SequencesAhead(make, lambda first: passes_from(run, entries, 1, 0, first), threads=2)
    assert ahead.take(passes[0]) == passes[0]
    with pytest.raises(ValueError, match="9000 tokens"):
        ahead.take(passes[1])
    ahead.close()
