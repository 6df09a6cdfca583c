"""Every validation question with each checkpoint's answer, as the compact data of the report's explorer.

Texts that many questions share (scenarios, questions, videos) are stored once and referred to by number.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from roadtrain.data.llava import read_questions
from roadtrain.evaluate.predictions import Prediction
from roadtrain.media import Clip, Medium
from roadtrain.paper.caption_explorer import caption_rows
from roadtrain.paper.explorer_clips import clips_with_pictures
from roadtrain.paper.failures import confidence
from roadtrain.paper.thumbnails import BUDGET
from roadtrain.results.reader import Results
from roadtrain.results.words import describe_checkpoint

Value = TypeVar("Value", bound=Hashable)
SHARE_DIGITS = 5  # of probabilities, as predictions have them; the page has whole numbers of 0.00001


def explorer_data(results: Results, budget: int = BUDGET) -> dict[str, Any]:
    """JSON for the page's script.

    checkpoints [{ablation, name, label, kind}]; texts of scenarios, questions, types, cameras; questions
    [[id, clip, scenario, question, type, [[letter, text], ..], correct, camera], ..];
    answers[checkpoint][question] is the letter, null (not asked) or [letter or null, what the model wrote];
    sure[checkpoint][question] the probability of that letter and shares[ablation][question] the best epoch's of each
    option, in whole numbers of 0.00001, or null; captions: caption_explorer.py, with the number of each one's clip.
    """
    checkpoints = list(results.all_checkpoints())
    answers = {
        (ablation.name, name): {p.id: p for p in ablation.predictions(name)}
        for ablation, name in tqdm(checkpoints, desc="answers", unit="file")
    }
    predictions = {id: p for of_checkpoint in answers.values() for id, p in of_checkpoint.items()}
    clip_of = {question.id: question.clip for question in read_questions(results.at(results.paths.llava("val")))}
    order = {id: n for n, id in enumerate(clip_of)}  # the data's own: question 2 before question 10
    ids = sorted(predictions, key=lambda id: (order.get(id, len(order)), id))
    scenarios, texts, types, cameras = _Numbers[str](), _Numbers[str](), _Numbers[str](), _Numbers[str]()
    clips = _Numbers[Clip]()
    questions = []
    for p in (predictions[id] for id in ids):
        clip = clips.number(clip_of.get(p.id, Clip((Medium(p.video),))))
        scenario, text, kind = (
            scenarios.number(p.scenario),
            texts.number(p.question),
            types.number(p.group),
        )
        camera = cameras.number(p.camera)
        questions.append([p.id, clip, scenario, text, kind, list(p.options.items()), p.correct, camera])
    best = {ablation.name: ablation.best["checkpoint"] for ablation in results.ablations}
    of_captions, captions = caption_rows(results, clip_of)
    captions["clips"] = [clips.number(clip) for clip in of_captions]
    return {
        "checkpoints": _checkpoints(results),
        "best": best,
        "scenarios": scenarios.values,
        "texts": texts.values,
        "types": types.values,
        "cameras": cameras.values,
        "questions": questions,
        "answers": [[_answer(of_checkpoint.get(id)) for id in ids] for of_checkpoint in answers.values()],
        "sure": [[_sure(of_checkpoint.get(id)) for id in ids] for of_checkpoint in answers.values()],
        "shares": {name: [_shares(answers[name, best[name]], id) for id in ids] for name in best},
        "captions": captions,
        **clips_with_pictures(results, clips.values, budget),
    }


def _checkpoints(results: Results) -> list[dict[str, str]]:
    checkpoints = []
    for ablation, name in results.all_checkpoints():
        kind = "quantized" if name in results.precisions else "epoch" if name != "zero_shot" else "zero_shot"
        checkpoints.append({"ablation": ablation.name, "name": name, "label": describe_checkpoint(name), "kind": kind})
    return checkpoints


def _answer(prediction: Prediction | None) -> str | list[str | None] | None:
    if prediction is None or prediction.response is None:
        return None
    response = prediction.response.strip()
    return prediction.answer if response == prediction.answer else [prediction.answer, response]


def _sure(prediction: Prediction | None) -> int | None:
    share = confidence(prediction) if prediction else None
    return None if share is None else _whole(share)


def _shares(predictions: Mapping[str, Prediction], id: str) -> list[int] | None:
    """In the order of the options."""
    prediction = predictions.get(id)
    if prediction is None or not prediction.probabilities:
        return None
    return [_whole(prediction.probabilities.get(letter, 0)) for letter in prediction.options]


def _whole(share: float) -> int:
    return round(share * 10**SHARE_DIGITS)


class _Numbers(Generic[Value]):
    """Each different value once, in order of appearance, with its number."""

    def __init__(self) -> None:
        self._number_of: dict[Value, int] = {}

    def number(self, value: Value) -> int:
        return self._number_of.setdefault(value, len(self._number_of))

    @property
    def values(self) -> list[Value]:
        return list(self._number_of)
