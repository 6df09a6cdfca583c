"""A small split with questions and captions, and its evaluation by the local engine."""

import json
from pathlib import Path

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.data.sources.records import CAPTION_GROUPS, CAPTIONS
from roadtrain.data.strict_json import read_rows
from roadtrain.files import write_json
from roadtrain.model.checkpoints import describe
from support import tiny
from support.clips import decode, render
from support.evaluation import VISION, evaluate

SETTINGS = {"max_new_tokens": 3, "captions": {"max_new_tokens": 9, "temperature": 0.0, "seed": 1}}
DRAWN = SETTINGS | {"captions": {"max_new_tokens": 9, "temperature": 1.5, "seed": 1}}


def prepare_captions(root: Path) -> Path:
    """A window of each of two videos, with a question and the two captions; the committed base as the checkpoint."""
    values = []
    for n in range(2):
        render(root / f"media/v{n}.mp4", frames=12, seed=n)
        common = {"scenario": f"s{n}", "video": f"v{n}.mp4", "phase": "action", "start": 0.0, "end": 0.5}
        human = multiple_choice("Which?", {"a": "one", "b": "two"})
        options = {"A": "one", "B": "two"}
        values.append(
            entry_json(id=f"q{n}", type="t", human=human, answer="A", question="Which?", options=options, **common)
        )
        for key, text in CAPTIONS.items():
            values.append(
                entry_json(
                    id=f"{key}{n}",
                    type="caption",
                    human=f"<video> \n {text}",
                    answer="A person walks by a car.",
                    question=text,
                    options={},
                    group=CAPTION_GROUPS[key],
                    **common,
                )
            )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    write_json(root / "base.json", describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=0, step=0))
    return root


def predictions(root: Path, name: str, settings: dict, **options: object) -> list[dict]:
    files = {"predictions": root / f"{name}.jsonl", "source": root / f"{name}.source.json"}
    result = evaluate(root, evaluate=json.dumps(settings), **files, **options)
    assert result.returncode == 0, result.stderr
    return [row for _, row in read_rows(root / f"{name}.jsonl")]
