"""The JSON files of one scenario, in WTS's formats (`data` below is what a file contains).

    environment     [{"id", "overhead_videos": [name, ..], "environment": [MCQ, ..]}]
    overhead_view   [{"id", "overhead_videos": [name, ..], "event_phase": [PHASE, ..]}]
    vehicle_view    [{"id", "vehicle_view": name, "event_phase": [PHASE, ..]}]
    caption         {"id", "overhead_videos" or "vehicle_view", "event_phase": [CAPTION, ..]}; in the public test without captions
    its questions   [{"videos": [name, ..], "conversations": [MCQ, ..] or "event_phase": [PHASE, ..]}, ..], without answers

MCQ is {"question", "a", "b", ["c", "d"], "correct": letter}. PHASE is {"start_time", "end_time", "labels",
"conversations": [MCQ, ..]}, times in seconds as strings. CAPTION has WTS's numbers as labels.
"""

import json
from collections.abc import Iterable, Iterator

from roadtrain.sample.chance import stream
from roadtrain.sample.scenes import STEP, Camera, Scene, SceneQuestion
from roadtrain.sample.tree import Scenario

PHASES = ("prerecognition", "recognition", "judgement", "action", "avoidance")
ACTION = SceneQuestion("What is the pedestrian doing in this phase?", ("Walking", "Standing"))
MOVE = SceneQuestion("In which direction does the pedestrian move in this phase?", tuple(STEP))
PLACE = SceneQuestion(
    "Where is the pedestrian at the end of this phase?", ("Leftmost third", "Middle third", "Rightmost third")
)
THIRD_MARGIN = 0.03  # closer than this to the line between two thirds, PLACE is not asked


def annotation_files(scenario: Scenario, scene: Scene) -> Iterator[tuple[str, str]]:
    """(relative path, JSON text) of every annotation file of a scenario. Of a test's they say when its phases are."""
    if scenario.split == "test":
        for view in scenario.views:
            names = [name for v, name in scenario.videos if v == view]
            record = {"id": scenario.id, **_videos(view, names), "event_phase": public_phases(scene)}
            yield scenario.caption_path(view), _text(record)
        return
    if scenario.environment:
        record = {"id": scenario.id, "overhead_videos": list(scenario.overhead), "environment": scene.mcqs()}
        yield scenario.vqa_path("environment"), _text([record])
    for view in scenario.views:
        names = [name for v, name in scenario.videos if v == view]
        record = {"id": scenario.id, **_videos(view, names), "event_phase": question_phases(scene, view, names)}
        yield scenario.vqa_path(view), _text([record])
        record = {"id": scenario.id, **_videos(view, names), "event_phase": caption_phases(scene)}
        yield scenario.caption_path(view), _text(record)


def public_questions(scenarios: Iterable[tuple[Scenario, Scene]]) -> str:
    """The JSON text of the public test's questions: those about the scene, then those about the phases of each view."""
    records: list[dict] = []
    for scenario, scene in scenarios:
        if scenario.environment:
            mcqs = _unanswered(scene.mcqs(), f"{scenario.name}-environment")
            records.append({"videos": list(scenario.overhead), "conversations": mcqs})
        for view in scenario.views:
            names, phases = [name for v, name in scenario.videos if v == view], []
            for number, phase in enumerate(question_phases(scene, view, names)):
                mcqs = _unanswered(phase["conversations"], f"{scenario.name}-{view}-{number}")
                phases.append({**phase, "conversations": mcqs})
            records.append({"videos": names, "event_phase": phases})
    return _text(records)


def _unanswered(mcqs: list[dict], name: str) -> list[dict]:
    """Questions as the test has them: with an id, without the right option."""
    return [
        {"id": f"{name}-{number}", **{key: value for key, value in mcq.items() if key != "correct"}}
        for number, mcq in enumerate(mcqs)
    ]


def public_phases(scene: Scene) -> list[dict]:
    """Those of `caption_phases` without captions: what the public test says."""
    return [
        {"labels": phase["labels"], **_window(*window)}
        for phase, window in zip(caption_phases(scene), windows(scene), strict=True)
    ]


def windows(scene: Scene) -> list[tuple[float, float]]:
    """(start, end) in seconds of the five phases: they follow one another and fill the clip."""
    rng = stream(*scene.key, "phases")
    shares = [rng.uniform(0.7, 1.3) for _ in PHASES]
    ends = [round(scene.seconds * sum(shares[: i + 1]) / sum(shares), 3) for i in range(len(PHASES))]
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def question_phases(scene: Scene, view: str, names: list[str]) -> list[dict]:
    """The event phases with questions that are true in all the videos named."""
    rng = stream(*scene.key, view, "phase options")
    cameras = [scene.camera(name) for name in names]
    move = scene.answers["direction"]
    phases = []
    for label, (start, end) in zip(PHASES, windows(scene), strict=False):
        mcqs = [ACTION.mcq("Walking" if STEP[move] else "Standing", rng), MOVE.mcq(move, rng)]
        if place := _third(scene.pedestrian_at(end), cameras):
            mcqs.append(PLACE.mcq(place, rng))
        phases.append({**_window(start, end), "labels": [label], "conversations": mcqs})
    return phases


def caption_phases(scene: Scene) -> list[dict]:
    """The event phases with a sentence about the pedestrian and one about the vehicles."""
    a = {name: answer.lower() for name, answer in scene.answers.items()}
    walk = "stands still" if a["direction"] == "standing still" else f"walks {a['direction']}"
    pedestrian = f"The pedestrian wears a {a['upper']} top and {a['lower']} trousers and {walk} on the crossing."
    vehicle = (
        f"The traffic volume is {a['traffic']} on a road of {a['lanes']} lane{'s' * (scene.lanes > 1)}. "
        f"The surface is {a['road_condition']} {a['surface']}, "
        f"the weather {a['weather']}, the light {a['brightness']}."
    )
    return [
        {
            "labels": [str(i)],
            "caption_pedestrian": pedestrian,
            "caption_vehicle": vehicle,
            **_window(*window),
        }
        for i, window in enumerate(windows(scene))
    ]


def _third(place: float, cameras: list[Camera]) -> str | None:
    """The third of the picture in which `place` lies for all cameras, or None where that is unclear."""
    places = [framed_x(place, camera) for camera in cameras]
    low, high = min(places) - THIRD_MARGIN, max(places) + THIRD_MARGIN
    for i, name in enumerate(PLACE.answers):
        if (i == 0 or low > i / 3) and (i == 2 or high < (i + 1) / 3):
            return name
    return None


def framed_x(x: float, camera: Camera) -> float:
    """A horizontal place in the scene -> its place in the camera's picture, both as shares of the width."""
    return 0.5 + camera.zoom * (x - 0.5) + camera.shift[0]


def _videos(view: str, names: list[str]) -> dict:
    return {"overhead_videos": names} if view == "overhead_view" else {"vehicle_view": names[0]}


def _window(start: float, end: float) -> dict[str, str]:
    return {"start_time": f"{start:.3f}", "end_time": f"{end:.3f}"}


def _text(data: object) -> str:
    return json.dumps(data, indent=4) + "\n"
