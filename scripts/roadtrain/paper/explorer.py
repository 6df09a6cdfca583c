"""Every validation question with each checkpoint's answer, as the compact data of the report's explorer.

Texts that many questions share (scenarios, questions, videos) are stored once and referred to by number.
"""

from collections.abc import Hashable, Sequence
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from roadtrain.data.llava import read_questions
from roadtrain.evaluate.predictions import Prediction
from roadtrain.frames.index import FramesRow, row_medium
from roadtrain.media import Clip, Medium
from roadtrain.paper.thumbnails import BUDGET, FRAMES, strips
from roadtrain.results.reader import Results
from roadtrain.results.words import describe_checkpoint, describe_vision

Value = TypeVar("Value", bound=Hashable)


def explorer_data(results: Results, budget: int = BUDGET) -> dict[str, Any]:
    """JSON for the page's script.

    checkpoints [{ablation, name, label, kind}]; texts of scenarios, questions, types; questions
    [[id, clip, scenario, question, type, [[letter, text], ..], correct], ..];
    answers[checkpoint][question] is the letter, null (unanswered) or [letter or null, what the model wrote].
    """
    answers = {
        (ablation.name, name): {p.id: p for p in ablation.predictions(name)}
        for ablation, name in results.all_checkpoints()
    }
    predictions = {id: p for of_checkpoint in answers.values() for id, p in of_checkpoint.items()}
    clip_of = {question.id: question.clip for question in read_questions(results.at(results.paths.llava("val")))}
    order = {id: n for n, id in enumerate(clip_of)}  # the data's own: question 2 before question 10
    ids = sorted(predictions, key=lambda id: (order.get(id, len(order)), id))
    scenarios, texts, types = _Numbers[str](), _Numbers[str](), _Numbers[str]()
    clips = _Numbers[Clip]()
    questions = []
    for p in (predictions[id] for id in ids):
        clip = clips.number(clip_of.get(p.id, Clip((Medium(p.video),))))
        scenario, text, kind = (
            scenarios.number(p.scenario),
            texts.number(p.question),
            types.number(p.group),
        )
        questions.append([p.id, clip, scenario, text, kind, list(p.options.items()), p.correct])
    return {
        "checkpoints": _checkpoints(results),
        "best": {ablation.name: ablation.best["checkpoint"] for ablation in results.ablations},
        "scenarios": scenarios.values,
        "texts": texts.values,
        "types": types.values,
        "questions": questions,
        "answers": [[_answer(of_checkpoint.get(id)) for id in ids] for of_checkpoint in answers.values()],
        **_clips(results, clips.values, budget),
    }


def _checkpoints(results: Results) -> list[dict[str, str]]:
    checkpoints = []
    for ablation, name in results.all_checkpoints():
        kind = "quantized" if name in results.precisions else "epoch" if name != "zero_shot" else "zero_shot"
        checkpoints.append({"ablation": ablation.name, "name": name, "label": describe_checkpoint(name), "kind": kind})
    return checkpoints


def _answer(prediction: Prediction | None) -> str | list[str | None] | None:
    if prediction is None:
        return [None, "(not asked)"]
    if prediction.response is None:
        return [None, "(no frames of this video)"]
    response = prediction.response.strip()
    return prediction.answer if response == prediction.answer else [prediction.answer, response]


def _clips(results: Results, clips: Sequence[Clip], budget: int) -> dict[str, Any]:
    """clips: [{video, window, strips: [{vision, picture, width, height, said}]}]; pictures: data URIs; without_picture:
    how many media have none. `picture` is a number in pictures, `said` how many frames it shows."""
    visions = {ablation.settings["vision_name"]: ablation for ablation in results.ablations}
    rows: list[dict[str, Any]] = [
        {"video": clip.first.file, "window": _window(clip.first.start, clip.first.end), "strips": []} for clip in clips
    ]
    pictures, without = [], 0
    for ablation in tqdm(visions.values(), desc="thumbnails", unit="setting"):
        index = {row_medium(line): line for line in ablation.frames("val")["clips"]}
        media = [(row, index.get(medium)) for row, clip in zip(rows, clips, strict=True) for medium in clip.media]
        uris = strips([line for _, line in media if line is not None], results.root, budget // len(visions))
        for row, line in media:
            if line is None or line["file"] not in uris:
                without += 1
                continue
            pictures.append(uris[line["file"]])
            row["strips"].append(
                {
                    "vision": describe_vision(ablation.vision),
                    "picture": len(pictures) - 1,
                    "width": line["width"],
                    "height": line["height"],
                    "said": _frames_in_words(line),
                }
            )
    return {"clips": rows, "pictures": pictures, "without_picture": without}


def _frames_in_words(line: FramesRow) -> str:
    if "kind" in line:
        return "picture"
    count = min(FRAMES, line["frames"])
    return f"{count} of {line['frames']} frames" if count < line["frames"] else f"{count} frames"


def _window(start: float | None, end: float | None) -> str:
    return "" if start is None and end is None else f"{start or 0:g} to {'the end' if end is None else f'{end:g}'} s"


class _Numbers(Generic[Value]):
    """Each different value once, in order of appearance, with its number."""

    def __init__(self) -> None:
        self._number_of: dict[Value, int] = {}

    def number(self, value: Value) -> int:
        return self._number_of.setdefault(value, len(self._number_of))

    @property
    def values(self) -> list[Value]:
        return list(self._number_of)
