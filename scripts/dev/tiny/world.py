"""What can be asked about an abstract clip, in pseudo-words.

A clip has attributes (numbers, drawn here, drawn as pixels by clips.py). Every attribute has a question in
several wordings and a few values, each value with two names. And there are many languages: the same words mean
other things in each. A model that has learned one after the other learns the next, the sample's, in fewer steps
(Chen et al., 2023, "Improving language plasticity via pretraining with active forgetting").
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from . import words

FRAMES = 16  # frames of a rendered clip, evenly spaced in time
COLOURS = 10
MIDDLE = 0.35  # share of clips whose figure starts in the middle, whatever it does then

WHAT = (
    "What is the {noun} of the {owner}?",
    "Which {noun} does the {owner} have?",
    "What {noun} is the {owner}?",
    "What is the {noun} of the {owner}'s {extra}?",
    "What is the {owner} {extra} {noun}?",
)
COUNT = (
    "How many {noun} does the {owner} have?",
    "How many {noun} are there in the {owner}?",
    "What is the {noun} of the {owner}?",
    "What is the {owner} {noun}?",
)
THERE = (
    "Is there a {noun}?",
    "Are there {noun} in the {owner}?",
    "Does the {owner} have a {noun}?",
    "Which {extra} of the {owner} have a {noun}?",
)
WHERE = (
    "In which {noun} does the {owner} {verb}?",
    "Where does the {owner} {verb}?",
    "What is the {noun} of the {owner}?",
    "Which {extra} of the {owner} have a {noun}?",
)
CLEAR = 0.05  # a place nearer to the line between two thirds is not asked for


@dataclass(frozen=True)
class Attribute:
    """One question about a clip. `weight` is how often it is asked relative to the others."""

    name: str
    values: int
    forms: tuple[str, ...]
    owner: str
    naming: str = "plain"  # plain | yes-no | colour | to-the | shared: how its values are called
    weight: float = 1.0
    valid: Callable[[dict], bool] = lambda clip: True


ATTRIBUTES = (
    Attribute("veil", 4, WHAT, "view"),  # nothing, streaks, dots, haze
    Attribute("glow", 3, WHAT, "view", weight=0.5),  # full, reduced, little
    Attribute("sheen", 2, WHAT, "band", weight=2.0),  # reflections on the band, or not
    Attribute("grain", 4, WHAT, "band"),  # plain, joints, grains, waves
    Attribute("tone", 4, WHAT, "band"),  # the band's base colour
    Attribute("lines", 4, COUNT, "band", weight=1.5),  # 0-3 dashed lines divide the band
    Attribute("ledge", 3, WHERE, "band", "shared", 1.5),  # strips along both, one, no edges
    Attribute("poles", 2, THERE, "view", "yes-no", 0.5),
    Attribute("rail", 2, THERE, "band", "yes-no"),
    Attribute("bars", 2, THERE, "band", "yes-no", 0.3),
    Attribute("crowd", 3, COUNT, "blocks", weight=3.0),  # 0-1 block, two a lane, lanes full of them
    Attribute("flow", 3, WHERE, "blocks", "to-the", 1.0, lambda clip: clip["count"] > 0),
    Attribute("upper", COLOURS, WHAT, "figure", "colour", 1.5),
    Attribute("lower", COLOURS, WHAT, "figure", "colour", 1.5),
    Attribute("walk", 3, WHERE, "figure", "to-the", 1.0),  # leftwards, rightwards, not at all
    Attribute("start", 3, WHERE, "figure", "shared", 0.5, lambda clip: clear(clip["begin"])),  # third at first
    Attribute("finish", 3, WHERE, "figure", "shared", 0.5, lambda clip: clear(clip["end"])),  # third at last
)
BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}


def sample(rng: random.Random) -> dict:
    """A clip's attributes and everything else about it that is not asked. Places are shares of the width."""
    clip = {a.name: rng.randrange(a.values) for a in ATTRIBUTES}
    clip.update(
        disc=rng.randrange(2),
        backdrop=rng.randrange(3),
        head=rng.randrange(3),
        size=rng.randrange(2),
        paint=rng.randrange(COLOURS),
    )  # drawn, never asked
    lanes = clip["lines"] + 1
    clip["count"] = (rng.randint(0, 1), max(3, 2 * lanes), rng.randint(6, 8) * lanes)[clip["crowd"]]
    clip["uniform"] = rng.random() < 0.5
    step = (-1, 1, 0)[clip["walk"]]
    if rng.random() < MIDDLE:
        begin, travel = rng.uniform(0.45, 0.55), rng.uniform(0.36, 0.45)
    else:
        travel = rng.uniform(0.3, 0.8)
        begin = rng.uniform(0.06, 0.94 - (travel if step else 0))
        begin = 1 - begin if step < 0 else begin
    clip["begin"], clip["end"] = begin, begin + step * travel
    clip["start"], clip["finish"] = third(clip["begin"]), third(clip["end"])
    return clip


def mirrored(clip: dict) -> dict:
    """The attributes of the clip's mirror image."""
    begin, end = 1 - clip["begin"], 1 - clip["end"]
    turned = {name: (1, 0, 2)[clip[name]] for name in ("walk", "flow")}
    return {**clip, **turned, "begin": begin, "end": end, "start": third(begin), "finish": third(end)}


def third(place: float) -> int:
    """0, 1 or 2: the third of the picture that holds a place."""
    return min(2, int(place * 3))


def clear(place: float) -> bool:
    """Whether a place lies well within its third."""
    return min(abs(place - 1 / 3), abs(place - 2 / 3)) > CLEAR


def place(clip: dict, share: float) -> float:
    """Where the figure is when `share` (0..1) of the clip has passed."""
    return clip["begin"] + (clip["end"] - clip["begin"]) * share


class Names:
    """Gives every noun and every value its pseudo-words: a pure function of the lexicon and the language's number."""

    def __init__(self, language: int = 0):
        supply = iter(words.WORLD if language == 0 else random.Random(language).sample(words.SHORT, len(words.SHORT)))

        def take(count):
            return [next(supply) for _ in range(count)]

        self.owners = {owner: take(2) for owner in ("view", "band", "blocks", "figure")}
        yes_no = [take(2) for _ in range(2)]
        colours = [take(2) for _ in range(COLOURS)]
        self.nouns = {a.name: take(3) for a in ATTRIBUTES}
        self.verbs = {a.name: take(2) for a in ATTRIBUTES if a.forms is WHERE}
        self.values: dict[str, list[list[str]]] = {}
        for a in ATTRIBUTES:
            if a.naming == "yes-no":
                self.values[a.name] = yes_no
            elif a.naming == "colour":
                self.values[a.name] = colours
            elif a.naming == "to-the":  # two directions share a stem, rest has none
                self.values[a.name] = [[f"to the {w}" for w in take(2)] for _ in range(2)]
                self.values[a.name].append([" ".join(take(2)), next(supply)])
            elif a.naming == "shared":
                stems = take(2)
                self.values[a.name] = [[f"{w} {s}" for w, s in zip(take(2), stems, strict=False)] for _ in range(2)]
                self.values[a.name].append([next(supply), f"{next(supply)} {stems[1]}"])
            else:
                self.values[a.name] = [[next(supply), next(supply)] for _ in range(a.values)]
        self.extras = {a.name: next(supply) for a in ATTRIBUTES}

    def question(self, attribute: Attribute, rng: random.Random) -> str:
        """One wording of an attribute's question."""
        pick = rng.choice
        return pick(attribute.forms).format(
            noun=pick(self.nouns[attribute.name]),
            owner=pick(self.owners[attribute.owner]),
            verb=pick(self.verbs.get(attribute.name, [""])),
            extra=self.extras[attribute.name],
        )

    def time_question(self, timestamp: str, rng: random.Random) -> str:
        """Where the figure is at the time of one frame pair ("0.6 seconds", as the prompt writes it)."""
        return f"At <{timestamp}> where is the {rng.choice(self.owners['figure'])}?"

    def options(self, attribute: Attribute, answer: int, rng: random.Random, most: int = 4) -> tuple[list[str], int]:
        """Up to four value names in random order, the true one among them; and the true one's index.

        All names come from one column of synonyms: a list is consistent, as in a data set.
        """
        column = rng.randrange(2)
        others = [v for v in range(attribute.values) if v != answer]
        chosen = [answer, *rng.sample(others, min(most - 1, len(others)))]
        rng.shuffle(chosen)
        return [self.values[attribute.name][v][column] for v in chosen], chosen.index(answer)

    def item(self, attribute: Attribute, answer: int, rng: random.Random) -> tuple[str, str]:
        """(noun, value) for a caption. The noun decides which of the two names the value goes by."""
        which = rng.randrange(len(self.nouns[attribute.name]))
        return self.nouns[attribute.name][which], self.values[attribute.name][answer][which % 2]


names = lru_cache(maxsize=64)(Names)  # by the language's number
