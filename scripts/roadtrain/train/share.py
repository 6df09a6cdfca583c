"""A part of the training scenarios, `train.share` of them: what a learning curve over the size of the training set is made of.

Scenarios are put in the order of a hash of the seed and their name, and the first of them are taken. So a smaller share is a
part of a larger one of the same seed, whatever the order of the file, and a further scenario changes the place of none. A
scenario is taken whole: its cameras share questions.
"""

from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any, TypedDict

from roadtrain.cli import UserError
from roadtrain.data.compact import hash64
from roadtrain.data.llava import read_entries, write_entries


class Counts(TypedDict):
    """How much of something a part of the training set is."""

    trained: int
    total: int


class ShareJson(TypedDict):
    """What lies beside the part's conversations: how large it is."""

    share: float
    seed: int
    scenarios: Counts
    videos: Counts
    questions: Counts


def choose_scenarios(scenarios: set[str], share: float, seed: int, source: str | Path) -> set[str]:
    """The share's scenarios, rounded to whole ones. Raises UserError where that is none: it would train on more than was
    asked for."""
    count = int(share * len(scenarios) + 0.5)
    if count == 0:
        least = ceil(5e7 / len(scenarios)) / 1e8 if scenarios else 1
        raise UserError(
            f"{source}: train.share: {share:g} of {len(scenarios)} scenarios is none of them; write at least {least:.8g}"
        )
    order = sorted(scenarios, key=lambda name: (hash64(f"{seed}\n{name}"), name))
    return set(order[:count])


def write_part(llava: str | Path, share: float, seed: int, output: str | Path) -> ShareJson:
    """Write the part's conversations to `output`, entry for entry as they are in `llava` and in its order; returns how much
    it is. The file is read twice and never held. Raises UserError for a share without a scenario."""
    scenarios = {questions[0].scenario for _, questions in read_entries(llava)}
    chosen = choose_scenarios(scenarios, share, seed, llava)
    videos: dict[str, bool] = {}
    counts: Counts = {"trained": 0, "total": 0}

    def kept() -> Iterator[dict[str, Any]]:
        for entry, questions in read_entries(llava):
            trained = questions[0].scenario in chosen
            counts["total"] += len(questions)
            video = questions[0].video
            videos[video] = trained or videos.get(video, False)
            if trained:
                counts["trained"] += len(questions)
                yield entry

    write_entries(output, kept())
    return {
        "share": share,
        "seed": seed,
        "scenarios": {"trained": len(chosen), "total": len(scenarios)},
        "videos": {"trained": sum(videos.values()), "total": len(videos)},
        "questions": counts,
    }


def share_sentence(part: ShareJson | None) -> str:
    """What of the training split was trained on; empty where that is all of it."""
    if part is None:
        return ""
    parts = [
        f"{part[key]['trained']:,} of {part[key]['total']:,} {key}" for key in ("scenarios", "videos", "questions")
    ]
    return f"Trained on a share of {part['share']:g} of the training scenarios, drawn with seed {part['seed']}: {', '.join(parts)}."
