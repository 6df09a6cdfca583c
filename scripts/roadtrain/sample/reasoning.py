"""Questions with reasoning about the scenes, in TAR's layout (data/sources/tar.py has it).

Each scene is asked about in the video of its first camera. The reasoning says what is seen; the answer follows from it. As of all the
sample's questions, no answer can be known from the words: whether a thing that is asked about is there is drawn.
"""

import json
from collections.abc import Iterable, Iterator
from random import Random

from roadtrain.sample.annotations import caption_phases
from roadtrain.sample.chance import stream
from roadtrain.sample.scenes import QUESTIONS, Scene
from roadtrain.sample.tree import TAR_TASKS, TAR_TEST, SampleSpec, Scenario

FORMAT = "tao-vl-reason-v1.0"
SEEN = {  # {question: what is seen}
    "upper": "The pedestrian's top is {}.",
    "lower": "The pedestrian's trousers are {}.",
    "direction": "The pedestrian's movement is {}.",
    "weather": "The weather is {}.",
    "brightness": "The light is {}.",
}
YES_NO = {"upper": "Is the pedestrian's top {}?", "weather": "Is the weather {}?"}  # bcq
CHOICES = ("lower", "direction")  # mcq

Item = dict[str, str]


def tar_documents(spec: SampleSpec, scenarios: Iterable[tuple[Scenario, Scene]]) -> Iterator[tuple[str, str]]:
    """(relative path, JSON text) of every file of TAR's layout."""
    items: dict[str, list[Item]] = {path: [] for paths in spec.tar_files.values() for path in paths}
    for scenario, scene in scenarios:
        for task, item in tar_items(scenario, scene):
            if scenario.split == "test":
                index = f"{scenario.id:08x}{len(items[TAR_TEST]):08x}"
                item = {"item_index": index, "task_type": task, **item, "answer": ""}
                items[TAR_TEST].append({key: text for key, text in item.items() if key != "reasoning"})
            else:
                items[f"{scenario.split}/{task}.json"].append(item)
    for path, here in items.items():
        task = "all" if path == TAR_TEST else path.split("/")[1].removesuffix(".json")
        metadata = {"type": "annotation", "task": task} | ({"answers_redacted": True} if path == TAR_TEST else {})
        document = {"format": FORMAT, "metadata": metadata, "media_root": None, "items": here}
        yield path, json.dumps(document, indent=2) + "\n"


def tar_items(scenario: Scenario, scene: Scene) -> Iterator[tuple[str, Item]]:
    """(task, item) of a scene, task by task."""
    rng = stream(*scene.key, "reasoning")
    video = scenario.video_path("overhead_view", scenario.overhead[0]).removeprefix("videos/")
    by_task = {"bcq": _yes_no(scene, rng), "mcq": _choices(scene, rng), "scene_description": _description(scene)}
    for task in TAR_TASKS:
        for question, reasoning, answer in by_task[task]:
            yield task, {"video_id": video, "question": question, "answer": answer, "reasoning": reasoning}


def _yes_no(scene: Scene, rng: Random) -> list[tuple[str, str, str]]:
    rows = []
    for name, question in YES_NO.items():
        truth = scene.answers[name]
        others = [answer for answer in QUESTIONS[name].answers if answer != truth]
        thing = truth if rng.random() < 0.5 else rng.choice(others)
        text = f"{question.format(thing.lower())}\nAnswer with Yes or No."
        rows.append((text, _seen(scene, name), "Yes" if thing == truth else "No"))
    return rows


def _choices(scene: Scene, rng: Random) -> list[tuple[str, str, str]]:
    rows = []
    for name in CHOICES:
        mcq = QUESTIONS[name].mcq(scene.answers[name], rng)
        options = {letter.upper(): mcq[letter] for letter in "abcd" if letter in mcq}
        lines = [
            mcq["question"],
            *(f"{letter}) {words}" for letter, words in options.items()),
            "Answer with the letter.",
        ]
        letter = mcq["correct"].upper()
        rows.append(("\n".join(lines), _seen(scene, name), f"{letter}) {options[letter]}"))
    return rows


def _description(scene: Scene) -> list[tuple[str, str, str]]:
    reasoning = f"{_seen(scene, 'weather')} {_seen(scene, 'brightness')}"
    return [("Describe the road and the traffic.", reasoning, caption_phases(scene)[0]["caption_vehicle"])]


def _seen(scene: Scene, name: str) -> str:
    return SEEN[name].format(scene.answers[name].lower())
