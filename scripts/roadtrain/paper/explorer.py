"""Every validation question with each checkpoint's answer, as the compact data of the report's explorer.

Texts that many questions share (scenarios, questions, videos) are stored once and referred to by number.
"""

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from roadtrain.data.llava import read_questions
from roadtrain.data.question_types import question_type
from roadtrain.frames.index import row_medium
from roadtrain.media import Clip, Medium
from roadtrain.paper.thumbnails import BUDGET, FRAMES, strips
from roadtrain.results.run import Results, describe_checkpoint, describe_vision


def explorer_data(results: Results, budget: int = BUDGET) -> dict[str, Any]:
    """JSON for the page's script.

    checkpoints [{ablation, name, label, kind}]; texts of scenarios, questions, types; questions
    [[id, clip, scenario, question, type, [[letter, text], ..], correct], ..];
    answers[checkpoint][question] is the letter, null (unanswered) or [letter or null, what the model wrote].
    """
    clip_of = {question.id: question.clip for question in read_questions(results.at(results.paths.llava("val")))}
    given, checkpoints = {}, []
    for ablation in results.ablations:
        for name in ablation.checkpoints:
            kind = "quantized" if name in results.precisions else "epoch" if name != "zero_shot" else "zero_shot"
            checkpoints.append(
                {"ablation": ablation.name, "name": name, "label": describe_checkpoint(name), "kind": kind}
            )
            given[ablation.name, name] = {p.id: p for p in ablation.predictions(name)}
    everyone: dict[str, Any] = {}
    for predictions in given.values():
        everyone |= predictions
    order = {id: n for n, id in enumerate(clip_of)}  # the data's own: question 2 before question 10
    ids = sorted(everyone, key=lambda id: (order.get(id, len(order)), id))
    scenarios, questions = _Texts(), _Texts()
    types, clips = _Texts(), _Texts()
    rows = []
    for id in ids:
        p = everyone[id]
        clip = clip_of.get(id, Clip((Medium(p.video),)))
        rows.append(
            [
                id,
                clips.number(clip),
                scenarios.number(p.scenario),
                questions.number(p.question),
                types.number(question_type(p.question)),
                list(p.options.items()),
                p.correct,
            ]
        )
    return {
        "checkpoints": checkpoints,
        "best": {a.name: a.best["checkpoint"] for a in results.ablations},
        "scenarios": scenarios.all,
        "texts": questions.all,
        "types": types.all,
        "questions": rows,
        "answers": [[_answer(of.get(id)) for id in ids] for of in given.values()],
        **_clips(results, clips.all, budget),
    }


def _answer(prediction: Any) -> Any:
    if prediction is None:
        return [None, "(not asked)"]
    said = (prediction.response or "").strip()
    if prediction.response is None:
        return [None, "(no frames of this video)"]
    return prediction.answer if said == prediction.answer else [prediction.answer, said]


def _clips(results: Results, clips: list[Clip], budget: int) -> dict[str, Any]:
    """clips: [{video, window, strips: [{vision, picture, of}]}]; pictures: data URIs; hidden: how many have none."""
    visions = {a.settings["vision_name"]: a for a in results.ablations}
    rows: list[dict[str, Any]] = [
        {"video": clip.first.file, "window": _window(clip.first.start, clip.first.end), "strips": []} for clip in clips
    ]
    pictures, missing = [], 0
    for ablation in tqdm(visions.values(), desc="thumbnails", unit="setting"):
        index = {row_medium(line): line for line in ablation.frames("val")["clips"]}
        media = [(row, index.get(medium)) for row, clip in zip(rows, clips, strict=True) for medium in clip.media]
        found = strips([line for _, line in media if line is not None], results.root, budget // len(visions))
        for row, line in media:
            if line is None or line["file"] not in found:
                missing += 1
                continue
            pictures.append(found[line["file"]])
            row["strips"].append(
                {
                    "vision": describe_vision(ablation.vision),
                    "picture": len(pictures) - 1,
                    "width": line["width"],
                    "height": line["height"],
                    "said": _shown(line),
                }
            )
    return {"clips": rows, "pictures": pictures, "without_picture": missing}


def _shown(line: dict[str, Any]) -> str:
    if "kind" in line:
        return "picture"
    shown = min(FRAMES, line["frames"])
    return f"{shown} of {line['frames']} frames" if shown < line["frames"] else f"{shown} frames"


def _window(start: float | None, end: float | None) -> str:
    return "" if start is None and end is None else f"{start or 0:g} to {'the end' if end is None else f'{end:g}'} s"


class _Texts:
    """Each different value once, in order of appearance."""

    def __init__(self, values: Iterable = ()):
        self._numbers = {value: n for n, value in enumerate(values)}

    def number(self, value: Any) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    @property
    def all(self) -> list:
        return list(self._numbers)
