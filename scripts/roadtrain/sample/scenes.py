"""What a scene contains and what is asked about it.

Every answer is drawn, uniformly and independently of the others and of everything that is not asked
(where the walk starts, who drives where, how the cameras are set). So no question can be answered without
looking, neither from its own words nor from another answer.
Imports no numpy: questions and annotations are made without rendering.
"""

from dataclasses import dataclass
from fractions import Fraction
from random import Random

from roadtrain.sample.chance import spread, stream
from roadtrain.sample.tree import SPLITS, SampleSpec

CLOTHES = ("Red", "Blue", "Green", "Yellow", "White", "Black")
LANES = {"One": 1, "Two": 2, "Four": 4}


@dataclass(frozen=True)
class SceneQuestion:
    """A question and its answers; `offered` of them become options, the true one always among them."""

    text: str
    answers: tuple[str, ...]
    offered: int = 4

    def mcq(self, truth: str, rng: Random) -> dict[str, str]:
        """One question in WTS's format, options in random order: question, a, b, [c, [d,]] correct."""
        others = rng.sample([a for a in self.answers if a != truth], min(self.offered, len(self.answers)) - 1)
        options = rng.sample([truth, *others], len(others) + 1)
        letters = dict(zip("abcd", options, strict=False))
        return {"question": self.text, **letters, "correct": "abcd"[options.index(truth)]}


QUESTIONS = {
    "weather": SceneQuestion("What is the weather in the scene?", ("Clear", "Rainy", "Snowy", "Foggy")),
    "brightness": SceneQuestion("What is the brightness of the scene?", ("Bright", "Dim", "Dark")),
    "road_condition": SceneQuestion("What is the road surface condition?", ("Dry", "Wet")),
    "surface": SceneQuestion("What is the surface type of the road?", ("Asphalt", "Concrete", "Gravel")),
    "lanes": SceneQuestion("How many lanes does the road have?", tuple(LANES)),
    "sidewalk": SceneQuestion("Which sides of the road have a sidewalk?", ("Both sides", "Neither side")),
    "traffic": SceneQuestion("What is the traffic volume?", ("Light", "Usual", "Heavy")),
    "upper": SceneQuestion("What is the color of the pedestrian's upper body clothing?", CLOTHES),
    "lower": SceneQuestion("What is the color of the pedestrian's lower body clothing?", CLOTHES),
    "direction": SceneQuestion(
        "In which direction does the pedestrian move?", ("Leftward", "Rightward", "Standing still")
    ),
}

STEP = {"Leftward": -1, "Rightward": 1, "Standing still": 0}


@dataclass(frozen=True)
class Vehicle:
    """A vehicle that stays in its lane; it leaves the picture on one side and comes back on the other."""

    lane: int  # 0 is the far lane
    place: float  # where it starts, as a share of one round (0..1)
    speed: float  # rounds a second, negative to the left
    color: int  # index into sprites.PAINT
    tall: bool  # a van rather than a car


@dataclass(frozen=True)
class Camera:
    """How one camera sees the scene. Lengths are shares of the picture."""

    size: tuple[int, int]  # (width, height) in pixels, both even
    fps: Fraction
    zoom: float
    shift: tuple[float, float]
    height: float  # > 1: a higher camera, which sees more of the road
    tint: tuple[float, float, float]
    dashboard: bool = False  # seen from inside a vehicle


@dataclass(frozen=True)
class Scene:
    """One scene: the answers, and what varies without being asked."""

    key: tuple[object, ...]  # name of its random streams
    answers: dict[str, str]
    seconds: float
    start: float  # where the pedestrian is at 0 s, as a share of the picture's width
    travel: float  # how far it walks in the whole clip, if it walks
    light: float  # factor around 1 on the brightness
    vehicles: tuple[Vehicle, ...]

    @property
    def lanes(self) -> int:
        return LANES[self.answers["lanes"]]

    def pedestrian_at(self, seconds: float) -> float:
        """Where the pedestrian is at a time, as a share of the picture's width before framing."""
        return self.start + STEP[self.answers["direction"]] * self.travel * seconds / self.seconds

    def camera(self, name: str) -> Camera:
        """The camera that takes the video of this file name."""
        rng = stream(*self.key, name)
        return Camera(
            size=rng.choice([(320, 192), (352, 208), (384, 224)]),
            fps=rng.choice([Fraction(8), Fraction(10), Fraction(25, 2), Fraction(15)]),
            zoom=rng.uniform(0.95, 1.05),
            shift=(rng.uniform(-0.015, 0.015), rng.uniform(-0.02, 0.02)),
            height=rng.uniform(0.96, 1.05),
            tint=(rng.uniform(0.94, 1.06), rng.uniform(0.94, 1.06), rng.uniform(0.94, 1.06)),
            dashboard="vehicle_view" in name,
        )

    def mcqs(self) -> list[dict[str, str]]:
        """The environment questions in WTS's format."""
        rng = stream(*self.key, "options")
        return [question.mcq(self.answers[name], rng) for name, question in QUESTIONS.items()]


def scenes(spec: SampleSpec) -> list[Scene]:
    """The scenes of `tree.sample_scenarios(spec)`, in the same order."""
    return [scene for split in SPLITS for scene in _split_scenes(spec, split)]


def _split_scenes(spec: SampleSpec, split: str) -> list[Scene]:
    n = getattr(spec, split)
    columns = {name: spread(stream(spec.seed, split, name), q.answers, n) for name, q in QUESTIONS.items()}
    rows = ({name: column[i] for name, column in columns.items()} for i in range(n))
    return [_scene((spec.seed, split, i), answers) for i, answers in enumerate(rows)]


def _scene(key: tuple[object, ...], answers: dict[str, str]) -> Scene:
    rng = stream(*key, "scene")
    return Scene(
        key=key,
        answers=answers,
        seconds=rng.randint(8, 12) / 2,
        # All three answers start in the middle: a first frame says nothing about the direction.
        start=rng.uniform(0.47, 0.53),
        travel=rng.uniform(0.43, 0.45),
        light=rng.uniform(0.95, 1.05),
        vehicles=_vehicles(rng, answers["traffic"], LANES[answers["lanes"]]),
    )


def _vehicles(rng: Random, traffic: str, lanes: int) -> tuple[Vehicle, ...]:
    """Vehicles dealt out to the lanes, evenly spaced within a lane, all of a lane equally fast.

    The volume is what a lane carries: a heavily used road is full however wide it is.
    """
    count = {"Light": rng.randint(0, 1), "Usual": max(3, 2 * lanes), "Heavy": 7 * lanes}[traffic]
    order = rng.sample(range(lanes), lanes)
    vehicles = []
    for turn, lane in enumerate(order):
        here = len(range(turn, count, lanes))
        # The far lanes drive to the left, the near ones to the right; a single lane, either way.
        leftward = rng.random() < 0.5 if lanes == 1 else lane < lanes / 2
        speed = rng.uniform(0.03, 0.09) * (-1 if leftward else 1)
        first = rng.random()
        for i in range(here):
            place = first + (i + rng.uniform(-0.04, 0.04)) / here
            vehicles.append(Vehicle(lane, place % 1, speed, rng.randrange(6), rng.random() < 0.3))
    return tuple(vehicles)
