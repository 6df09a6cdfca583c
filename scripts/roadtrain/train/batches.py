"""Which questions an optimizer step holds: decided by the seed and the epoch alone, so that a resumed run goes on
exactly where it was."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from roadtrain.data.question import Question, group_by_clip
from roadtrain.media import Clip
from roadtrain.train.toml_config import TrainRun


@dataclass(frozen=True)
class Group:
    """Questions about one clip that share a sequence."""

    entries: tuple[Question, ...]

    @property
    def clip(self) -> Clip:
        return self.entries[0].clip

    @property
    def scenario(self) -> str:
        return self.entries[0].scenario


def groups(entries: Iterable[Question], questions_per_video: int | None, rng: Random) -> list[Group]:
    """Split every clip's questions, shuffled, into groups of at most `questions_per_video` (None: all)."""
    result = []
    for of_clip in group_by_clip(entries).values():
        of_clip = rng.sample(of_clip, len(of_clip))
        size = questions_per_video or len(of_clip)
        result += [Group(tuple(of_clip[i : i + size])) for i in range(0, len(of_clip), size)]
    return result


def steps(
    entries: list[Question], *, epoch: int, seed: int, batch_questions: int, questions_per_video: int | None
) -> list[list[Group]]:
    """The optimizer steps of one epoch; per-question training is questions_per_video = 1.

    A step holds whole groups, up to `batch_questions` questions (one group if that alone has more). Cameras of one
    scenario have the same questions and nearly the same picture: they go to different steps while there is a choice.
    """
    rng = Random(f"{seed}/{epoch}")
    shuffled = groups(entries, questions_per_video, rng)
    rng.shuffle(shuffled)
    waiting = deque(shuffled)
    result: list[list[Group]] = []
    while waiting:
        step: list[Group] = []
        scenarios: set[str] = set()
        count = 0
        passed: deque[Group] = deque()
        while waiting:
            group = waiting.popleft()
            # With one question a group, a scenario's own questions are different questions: no need to part them.
            twin = group.scenario in scenarios and questions_per_video != 1
            if twin:
                passed.append(group)
            elif step and count + len(group.entries) > batch_questions:
                waiting.appendleft(group)
                break
            else:
                step.append(group)
                scenarios.add(group.scenario)
                count += len(group.entries)
        waiting.extendleft(reversed(passed))
        result.append(step)
    return result


def epoch_batches(run: TrainRun, questions: list[Question], *, epoch: int, ranks: int) -> list[list[Group]]:
    """The optimizer steps of one epoch (from 1) of a run on so many ranks, as its TOML wants them."""
    return steps(
        questions,
        epoch=epoch,
        seed=run.seed,
        batch_questions=run.batch_questions * ranks,
        questions_per_video=run.questions_per_sequence,
    )


def passes(step: list[Group], mini_batch: int) -> list[list[Group]]:
    """The groups of each forward pass of a step: `mini_batch` of them, fewer in the last."""
    return [step[first : first + mini_batch] for first in range(0, len(step), mini_batch)]
