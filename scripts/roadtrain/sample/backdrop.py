"""What stands still: sky, skyline, road, markings, puddles, sidewalks."""

from random import Random

import numpy as np
from PIL import Image, ImageDraw

from roadtrain.sample.chance import stream
from roadtrain.sample.view import FEET, LANE, ROAD_END, SIDEWALK, STREET, View

SCALE = 2  # drawn at twice the size, then averaged: smooth edges
SKY = {"Clear": (96, 164, 240), "Rainy": (126, 134, 148), "Snowy": (196, 202, 212), "Foggy": (205, 205, 205)}
SURFACE = {"Asphalt": (72, 74, 80), "Concrete": (154, 154, 148), "Gravel": (150, 104, 58)}
GRASS = (76, 136, 62)
PAVING, JOINT = (236, 132, 96), (196, 100, 72)
PAINT, WATER, GLINT = (250, 250, 245), (88, 176, 246), (214, 240, 255)
FACADES = ((172, 120, 100), (140, 146, 160), (196, 178, 146), (118, 130, 124), (160, 140, 160))


def backdrop(view: View) -> np.ndarray:
    """The picture without anything that moves: float32 (height, width, 3), lit."""
    pen = Pen(view)
    rng = stream(*view.scene.key, "backdrop")
    scenery(pen, rng)
    road(pen, rng)
    sides(pen)
    if view.scene.answers["road_condition"] == "Wet":
        puddles(pen, rng)
    return view.lit(pen.finish(), 0)


class Pen:
    """Draws on an image in the scene's coordinates."""

    def __init__(self, view: View):
        self.view = view
        self.image = Image.new("RGB", (view.width * SCALE, view.height * SCALE), GRASS)
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def point(self, u: float, v: float) -> tuple[float, float]:
        return self.view.x(u) * SCALE, self.view.y(v) * SCALE

    def box(self, u0: float, v0: float, u1: float, v1: float, fill: tuple[int, ...]) -> None:
        self.draw.rectangle([*self.point(u0, v0), *self.point(u1, v1)], fill)

    def band(self, v0: float, v1: float, fill: tuple[int, ...]) -> None:
        """A box across the whole picture."""
        self.box(-1, v0, 2, v1, fill)

    def disc(self, u: float, v: float, ru: float, rv: float, fill: tuple[int, ...]) -> None:
        self.draw.ellipse([*self.point(u - ru, v - rv), *self.point(u + ru, v + rv)], fill)

    def speckle(self, v0: float, v1: float, amount: float, rng: Random) -> None:
        """Grains of +-amount between two rows."""
        rows = slice(*(int(np.clip(self.point(0, v)[1], 0, self.image.height)) for v in (v0, v1)))
        pixels = np.array(self.image)
        grains = np.random.default_rng(rng.getrandbits(32)).uniform(-amount, amount, pixels[rows].shape[:2])
        # Grains of 2 x 2 pixels of the finished picture, not of the enlarged one: they survive the averaging.
        grains = grains[:: 2 * SCALE, :: 2 * SCALE].repeat(2 * SCALE, 0).repeat(2 * SCALE, 1)
        grains = grains[: pixels[rows].shape[0], : pixels.shape[1], None]
        pixels[rows] = np.clip(pixels[rows] + grains, 0, 255)
        self.image.paste(Image.fromarray(pixels))

    def finish(self) -> np.ndarray:
        """uint8 (height, width, 3)."""
        return np.asarray(self.image.reduce(SCALE))


def scenery(pen: Pen, rng: Random) -> None:
    """Sky with clouds or none, houses, and a park that reaches down to the road."""
    weather = pen.view.scene.answers["weather"]
    horizon = rng.uniform(0.18, pen.view.road_top - 0.13)
    pen.band(-1, horizon, SKY[weather])
    if weather == "Clear":
        for _ in range(2):
            u, v = rng.uniform(0.1, 0.9), rng.uniform(0.03, 0.08)
            pen.disc(u, v, 0.07, 0.022, (255, 255, 255))
            pen.disc(u + 0.05, v + 0.012, 0.05, 0.018, (255, 255, 255))
    u = rng.uniform(-0.1, 0)
    while u < 1.1:
        wide, roof = rng.uniform(0.07, 0.15), horizon - rng.uniform(0.06, 0.13)
        pen.box(u, roof, u + wide, horizon, rng.choice(FACADES))
        for k in range(3):
            left = u + wide * (0.15 + 0.28 * k)
            pen.box(left, roof + 0.015, left + wide * 0.16, roof + 0.04, (70, 84, 104))
        u += wide + rng.choice((0.0, 0.03, 0.06))
    for _ in range(6):
        u, v = rng.uniform(0, 1), rng.uniform(horizon - 0.01, pen.view.road_top - 0.13)
        pen.box(u - 0.005, v, u + 0.005, v + 0.06, (92, 66, 44))
        pen.disc(u, v, 0.03, 0.045, (46, rng.randint(96, 116), 44))


def road(pen: Pen, rng: Random) -> None:
    """Main road with its lanes, side street with its crossing."""
    view = pen.view
    surface, top = view.scene.answers["surface"], view.road_top
    for v0, v1 in ((top, ROAD_END + 0.012), (STREET, 2)):
        pen.band(v0, v1, SURFACE[surface])
        if surface == "Gravel":
            pen.speckle(v0, v1, 52, rng)
        if surface == "Concrete":
            for k in range(-1, 9):
                pen.box(k / 8, v0, k / 8 + 0.005, v1, (108, 108, 104))
    pen.band(top, top + 0.012, PAINT)
    pen.band(ROAD_END, ROAD_END + 0.012, PAINT)
    offset = rng.uniform(0, 0.12)
    for lane in range(1, view.scene.lanes):
        v = top + lane * LANE
        for k in range(-1, 10):
            pen.box(offset + 0.12 * k, v - 0.012, offset + 0.12 * k + 0.09, v + 0.012, PAINT)
    for k in range(-1, 10):
        u = offset + 0.11 * k
        pen.draw.polygon(
            [
                pen.point(u, 0.85),
                pen.point(u + 0.05, 0.85),
                pen.point(u + 0.055, 0.97),
                pen.point(u - 0.005, 0.97),
            ],
            PAINT,
        )


def sides(pen: Pen) -> None:
    """Sidewalks: paving on both sides of the road, or grass."""
    top, paved = pen.view.road_top, pen.view.scene.answers["sidewalk"] == "Both sides"
    for v0, v1 in ((top - SIDEWALK - 0.015, top), (ROAD_END + 0.012, STREET)):
        pen.band(v0, v1, PAVING if paved else GRASS)
        if paved:
            for k in range(-2, 30):
                pen.box(k * 0.04, v0, k * 0.04 + 0.004, v1, JOINT)


def puddles(pen: Pen, rng: Random) -> None:
    """Water that mirrors the sky, on the lanes and on the side street."""
    lanes = [(pen.view.road_top + (lane + 0.5) * LANE, 0.03, 1) for lane in range(pen.view.scene.lanes)]
    for v, tall, count in [*lanes, (STREET + 0.042, 0.03, 3), (FEET + 0.01, 0.038, 3)]:
        for part in range(count):
            u, wide = (part + rng.uniform(0.25, 0.75)) / count, rng.uniform(0.09, 0.13)
            pen.disc(u, v, wide, tall, (*WATER, 235))
            pen.disc(u - wide * 0.2, v - tall * 0.25, wide * 0.55, tall * 0.4, (*GLINT, 235))
