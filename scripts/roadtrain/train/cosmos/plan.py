"""Which questions each rank of cosmos-rl trains on, step by step: the local engine's order, dealt out to the ranks.

cosmos-rl wants the same number of optimizer steps in every epoch (it multiplies), and FSDP the same number of forward
passes on every rank of a step (it gathers weights in each). No torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from roadtrain.data.question import Question
from roadtrain.train import batches
from roadtrain.train.toml_config import TrainRun


@dataclass(frozen=True)
class Item:
    """One forward pass of one rank: questions of one clip, as numbers of entries."""

    entries: tuple[int, ...]
    # What one question adds to the rank's loss: ranks / questions of the whole step, because ranks are averaged. 0: the
    # pass is there only so that every rank does as many.
    share: float


def epoch_steps(run: TrainRun, entries: Sequence[Question], ranks: int, epoch: int) -> list[list[batches.Group]]:
    """The groups of each optimizer step of `epoch` (from 1); every epoch has as many steps as the first."""
    per_video = 1 if run.sequences == "per-question" else run.questions_per_video

    def plan(n: int) -> list[list[batches.Group]]:
        return batches.steps(
            list(entries),
            epoch=n,
            seed=run.seed,
            batch_questions=run.batch_questions * ranks,
            questions_per_video=per_video,
        )

    steps = plan(epoch)
    return steps if epoch == 1 else _level(steps, len(plan(1)))


def _level(steps: list[list[batches.Group]], count: int) -> list[list[batches.Group]]:
    """Exactly `count` steps: the smallest are joined, or the largest are split. Groups stay whole."""
    steps = [list(step) for step in steps]
    size = lambda step: sum(len(group.entries) for group in step)
    while len(steps) > count:
        last = steps.pop(min(range(len(steps)), key=lambda n: size(steps[n])))
        min(steps, key=size).extend(last)
    while len(steps) < count:
        n = max(range(len(steps)), key=lambda n: len(steps[n]))
        half = len(steps[n]) // 2
        if not half:
            raise ValueError(
                f"{len(steps)} groups of questions can't fill {count} steps: lower train_batch_per_replica"
            )
        steps[n : n + 1] = [steps[n][:half], steps[n][half:]]
    return steps


def epoch_ends(run: TrainRun, entries: Sequence[Question], ranks: int) -> dict[int, int]:
    """{epoch: its last optimizer step}, both from 1."""
    size = len(epoch_steps(run, entries, ranks, 1))
    return {epoch: epoch * size for epoch in range(1, run.epochs + 1)}


def questions_of_steps(run: TrainRun, entries: Sequence[Question], ranks: int) -> list[int]:
    """How many questions each optimizer step of the whole run holds, on all ranks together."""
    plans = (epoch_steps(run, entries, ranks, epoch) for epoch in range(1, run.epochs + 1))
    return [sum(len(group.entries) for group in step) for plan in plans for step in plan]


def rank_steps(run: TrainRun, entries: Sequence[Question], ranks: int, rank: int, epoch: int) -> list[list[Item]]:
    """What `rank` does in each step of `epoch`. Groups are dealt to the rank that has the fewest questions so far; a
    rank with fewer groups repeats one that counts nothing."""
    number = {entry.id: n for n, entry in enumerate(entries)}
    result = []
    for step in epoch_steps(run, entries, ranks, epoch):
        hands: list[list[Item]] = [[] for _ in range(ranks)]
        share = ranks / sum(len(group.entries) for group in step)
        for group in sorted(step, key=lambda group: -len(group.entries)):
            hand = min(hands, key=lambda hand: (sum(len(item.entries) for item in hand), len(hand)))
            hand.append(Item(tuple(number[entry.id] for entry in group.entries), share))
        filler = Item(hands[0][0].entries, share=0.0)
        most = max(map(len, hands))
        result.append(hands[rank] + [filler] * (most - len(hands[rank])))
    return result
