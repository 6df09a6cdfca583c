"""Which questions each rank of cosmos-rl trains on, step by step: the local engine's order, dealt out to the ranks.

cosmos-rl wants the same number of optimizer steps in every epoch (it multiplies), and FSDP the same number of forward
passes on every rank of a step (it gathers weights in each). No torch here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roadtrain.data.question import Question
from roadtrain.train.batches import Group, epoch_batches
from roadtrain.train.toml_config import TrainRun


@dataclass(frozen=True)
class PlannedGroup:
    """Questions of one clip that a rank trains on in a step, as numbers of entries; mini_batch of them are a pass."""

    place: tuple[int, int, int]  # epoch (from 1), step of it and group of that (from 0)
    entries: tuple[int, ...]
    # What one question adds to the rank's loss: ranks / questions of the whole step, because ranks are averaged. 0: the
    # group is there only so that every rank has as many, and as many passes.
    share: float


def epoch_steps(run: TrainRun, entries: Sequence[Question], ranks: int, epoch: int) -> list[list[Group]]:
    """The groups of each optimizer step of `epoch` (from 1); every epoch has as many steps as the first.

    Raises ValueError when the questions are too few groups for that."""
    steps = epoch_batches(run, list(entries), epoch=epoch, ranks=ranks)
    return steps if epoch == 1 else _level(steps, len(epoch_batches(run, list(entries), epoch=1, ranks=ranks)))


def _level(steps: list[list[Group]], count: int) -> list[list[Group]]:
    """Exactly `count` steps: the smallest are joined, or the largest are split. Groups stay whole."""
    steps = [list(step) for step in steps]
    while len(steps) > count:
        last = steps.pop(min(range(len(steps)), key=lambda n: _questions(steps[n])))
        min(steps, key=_questions).extend(last)
    while len(steps) < count:
        n = max(range(len(steps)), key=lambda n: len(steps[n]))
        half = len(steps[n]) // 2
        if not half:
            raise ValueError(
                f"{len(steps)} groups of questions can't fill {count} steps: lower train_batch_per_replica"
            )
        steps[n : n + 1] = [steps[n][:half], steps[n][half:]]
    return steps


def _questions(step: list[Group]) -> int:
    return sum(len(group.entries) for group in step)


def epoch_ends(run: TrainRun, entries: Sequence[Question], ranks: int) -> dict[int, int]:
    """{epoch: its last optimizer step}, both from 1."""
    size = len(epoch_steps(run, entries, ranks, 1))
    return {epoch: epoch * size for epoch in range(1, run.epochs + 1)}


def questions_of_steps(run: TrainRun, entries: Sequence[Question], ranks: int) -> list[int]:
    """How many questions each optimizer step of the whole run holds, on all ranks together."""
    epochs = (epoch_steps(run, entries, ranks, epoch) for epoch in range(1, run.epochs + 1))
    return [_questions(step) for steps in epochs for step in steps]


def rank_steps(
    run: TrainRun, entries: Sequence[Question], ranks: int, rank: int, epoch: int
) -> list[list[PlannedGroup]]:
    """What `rank` does in each step of `epoch`. Groups are dealt to the rank that has the fewest questions so far; a
    rank with fewer groups repeats one that counts nothing."""
    number = {entry.id: n for n, entry in enumerate(entries)}
    steps = []
    for step_number, step in enumerate(epoch_steps(run, entries, ranks, epoch)):
        hands: list[list[tuple[int, ...]]] = [[] for _ in range(ranks)]
        for group in sorted(step, key=lambda group: -len(group.entries)):
            hand = min(hands, key=lambda hand: (sum(map(len, hand)), len(hand)))
            hand.append(tuple(number[entry.id] for entry in group.entries))
        share = ranks / _questions(step)
        shares = [share] * len(hands[rank]) + [0.0] * (max(map(len, hands)) - len(hands[rank]))
        groups = hands[rank] + [hands[0][0]] * shares.count(0.0)
        steps.append(
            [
                PlannedGroup((epoch, step_number, n), group, share)
                for n, (group, share) in enumerate(zip(groups, shares, strict=True))
            ]
        )
    return steps


def passes_from(
    run: TrainRun, entries: Sequence[Question], ranks: int, rank: int, first: PlannedGroup
) -> Iterator[tuple[PlannedGroup, ...]]:
    """What `rank` does from the pass that begins with the group `first` to the end of the run."""
    for epoch in range(first.place[0], run.epochs + 1):
        for step in rank_steps(run, entries, ranks, rank, epoch):
            for start in range(0, len(step), run.mini_batch):
                if step[start].place >= first.place:
                    yield tuple(step[start : start + run.mini_batch])


def counting(groups: Sequence[PlannedGroup]) -> Sequence[PlannedGroup]:
    """Those of a pass that count; one of those that don't where none does."""
    return [group for group in groups if group.share] or groups[:1]
