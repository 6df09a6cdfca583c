"""A results tree made up for tests of tables, figures, comparisons and the report. Nobody's measurement.

Answers are drawn so that truths are known: zero-shot is near chance, each epoch is better, fp8 differs in a few
questions. Everything the paper reads is there, in the contract's format; scores and verdicts come from the real modules.

    PYTHONPATH=scripts:tests python tests/support/fabricate.py FOLDER [SCENARIOS]
"""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

from roadtrain.data.llava import write_entries
from roadtrain.data.media_record import record_text
from roadtrain.data.question_types import question_type
from roadtrain.files import write_json, write_text
from roadtrain.paths import Paths
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import resolve
from roadtrain.train.share import write_part
from support.fabricated_ablation import write_ablation
from support.fabricated_data import audit, caption_entries, conversations, open_questions, write_frames

SPEC = {
    "run": "made-up",
    "data": {"root": "data/sample"},
    "model": "specs/sample/base",
    "train": {"engine": "local", "gpus": 0, "dtype": "float32"},
    "ablations": {
        "nframes8": {"vision": {"nframes": 8}},
        "fps1_8k": {"vision": {"fps": 1, "total_pixels": 8388608}},
    },
    "evaluate": {"engine": "local", "gpus": 0, "bootstrap_samples": 500},
    "quantize": {"precisions": ["fp8"], "max_accuracy_drop": 0.02},
}


def fabricate(
    root: Path,
    scenarios: int = 20,
    cameras: int = 2,
    frames: bool = True,
    hostile: bool = False,
    seed: int = 0,
    source: str = "wts",
    group_of: Callable[[str], str] = question_type,
    seeds: list[int] | None = None,
    ablations: dict | None = None,
    captions: bool = False,
    gate: str = "accuracy",
) -> Path:
    """Write the tree below `root`; returns the path of its spec.json. `group_of`: the group of a question's text.
    `seeds`: of the spec's `repeat`. `ablations`: others than SPEC's; they may have a `train.share`. `captions`: val has some of
    each scenario. `gate`: of the spec's `quantize`."""
    change = ({} if seeds is None else {"repeat": {"seeds": seeds}}) | ({"ablations": ablations} if ablations else {})
    if captions:
        change["data"] = SPEC["data"] | {"tasks": ["environment", "caption"], "captions": "val"}
        change["quantize"] = SPEC["quantize"] | {"gate": gate}
    spec = read_spec(SPEC | change, "fabricated")
    run, rng = Paths(spec.run), random.Random(seed)
    resolved = resolve(spec)
    write_json(root / run.spec, resolved)
    entries = {
        split: conversations(split, count, cameras, rng, hostile, group_of)
        for split, count in (("train", 2 * scenarios), ("val", scenarios))
    }
    if captions:
        entries["val"] += caption_entries(entries["val"], hostile)
    for split, values in entries.items():
        write_entries(root / run.llava(split), values)
        prints = {value["video"]: f"content of {value['video']}" for value in values}
        write_text(root / run.media(split), record_text("", prints))
    write_json(root / run.audit, audit(entries, source))
    for name, ablation in resolved["ablations"].items():
        for split, values in entries.items():
            write_frames(root, run, split, ablation, values, frames)
        write_json(root / run.open_questions(name), open_questions(entries["val"], hostile))
        share, number = ablation["train"]["share"], ablation["train"]["seed"]
        training = root / run.training(share, number)
        if share < 1:
            summary = write_part(root / run.llava("train"), share, number, training)
            write_json(root / run.training(share, number, "json"), summary)
        of_run = entries | {"train": json.loads(training.read_text())}
        write_ablation(root, run, name, ablation, of_run, rng, spec.quantize)
    return root / run.spec


if __name__ == "__main__":
    print(fabricate(Path(sys.argv[1]), scenarios=int(sys.argv[2]) if len(sys.argv) > 2 else 20, hostile=True))
