"""The ranks of cosmos-rl together train on exactly what the local engine trains on, in the same order of steps."""

import dataclasses
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadtrain.train import batches, toml_config
from roadtrain.train.cosmos.plan import epoch_ends, epoch_steps, questions_of_steps, rank_steps
from support import tiny
from support.run_toml import render_ablation


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "sft.toml"
    path.write_text(render_ablation("specs/sample.yaml", "nframes8"))
    assert tomllib.loads(path.read_text())["custom"]["sequences"]["kind"] == "shared-video"
    return toml_config.read_train_run(path)


def questions(counts):
    return [e for v, count in enumerate(counts) for e in tiny.entries(count, video=f"v{v}.mp4", scenario=f"s{v // 2}")]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=12),
    ranks=st.integers(1, 4),
    batch=st.integers(1, 9),
    epoch=st.integers(1, 3),
    kind=st.sampled_from(["shared-video", "per-question"]),
)
def test_every_question_once_and_as_many_passes_on_each_rank(base, counts, ranks, batch, epoch, kind):
    entries = questions(counts)
    run = dataclasses.replace(base, batch_questions=batch, sequences=kind)
    first = len(epoch_steps(run, entries, ranks, 1))
    try:
        hands = [rank_steps(run, entries, ranks, rank, epoch) for rank in range(ranks)]
    except ValueError as error:  # too few groups to fill as many steps as the first epoch has
        assert "can't fill" in str(error)
        return
    assert all(len(hand) == first for hand in hands)
    trained = []
    for step in zip(*hands, strict=True):
        assert len({len(items) for items in step}) == 1 and step[0]
        # The average of the ranks' losses is the mean over the step's questions.
        assert sum(item.share * len(item.entries) for items in step for item in items) / ranks == pytest.approx(1)
        for item in (item for items in step for item in items):
            assert len({entries[n].clip for n in item.entries}) == 1
            trained += item.entries if item.share else ()
    assert sorted(trained) == list(range(len(entries)))
    counts = questions_of_steps(dataclasses.replace(run, epochs=epoch), entries, ranks)
    assert sum(counts[-first:]) == len(entries) and len(counts) == epoch * first
    assert epoch_ends(run, entries, ranks)[2] == 2 * first


def test_one_rank_does_the_local_engines_steps(base):
    entries = questions([5, 3, 7, 2, 6, 4])
    run = dataclasses.replace(base, batch_questions=8)
    plan = batches.epoch_batches(run, entries, epoch=1, ranks=1)
    mine = rank_steps(run, entries, 1, 0, 1)
    trained = [sorted(entries[n].id for item in step for n in item.entries) for step in mine]
    assert trained == [sorted(entry.id for group in step for entry in group.entries) for step in plan]
    assert rank_steps(run, entries, 1, 0, 1) == mine and rank_steps(run, entries, 1, 0, 2) != mine
