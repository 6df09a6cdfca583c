"""What moves: the pedestrian's pictures, one for each moment of a step, and the vehicles."""

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from roadtrain.sample.scenes import Vehicle
from roadtrain.sample.view import LANE, PEDESTRIAN, View

POSES = 12  # pictures of one double step
CLOTH = {
    "Red": (222, 30, 34),
    "Blue": (30, 66, 226),
    "Green": (24, 158, 60),
    "Yellow": (252, 212, 24),
    "White": (250, 250, 250),
    "Black": (22, 22, 26),
}
SKIN = ((244, 206, 172), (214, 164, 124), (142, 96, 64))
HAIR = ((46, 32, 26), (96, 64, 36), (150, 150, 152))
PAINT = ((240, 140, 20), (205, 45, 190), (20, 190, 205), (122, 62, 200), (150, 215, 40), (250, 130, 170))
LIGHT = (255, 244, 190)
VEHICLE = (0.13, LANE * 1.25)  # width and height as shares of the picture


@dataclass(frozen=True)
class Sprite:
    """A picture with transparency: `ink` (h, w, 3) is colour x alpha, `keep` (h, w, 1) is 255 - alpha."""

    ink: np.ndarray
    keep: np.ndarray

    def paste(self, frame: np.ndarray, left: int, top: int) -> None:
        """Draws itself on a uint8 frame; what lies outside is cut off."""
        height, width = self.keep.shape[:2]
        y0, y1 = max(top, 0), min(top + height, frame.shape[0])
        x0, x1 = max(left, 0), min(left + width, frame.shape[1])
        if y0 >= y1 or x0 >= x1:
            return
        cut = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        frame[y0:y1, x0:x1] = (self.ink[cut] + frame[y0:y1, x0:x1] * self.keep[cut]) // 255


def sprite(image: Image.Image, view: View, top: float, floor: float = 0.0, glow: float = 0.0) -> Sprite:
    """An RGBA image under the scene's light. `glow` marks colours that shine by themselves (LIGHT)."""
    pixels = np.asarray(image)
    color = view.lit(pixels[:, :, :3], top, floor)
    if glow:
        shining = (np.abs(pixels[:, :, :3].astype(int) - LIGHT).sum(2) < 40)[:, :, None]
        color = np.where(shining, np.asarray(LIGHT, np.float32) * glow, color)
    alpha = pixels[:, :, 3:].astype(np.uint16)
    return Sprite(np.clip(color, 0, 255).astype(np.uint16) * alpha, 255 - alpha)


def pedestrian(view: View, top: float) -> list[Sprite]:
    """POSES pictures of it walking and one of it standing.

    It is seen from the front: its posture doesn't tell the direction.
    """
    answers, look = view.scene.answers, view.scene.key[-1]
    assert isinstance(look, int)  # the scene's number
    tall = round(view.tall(PEDESTRIAN))
    colors = CLOTH[answers["upper"]], CLOTH[answers["lower"]], SKIN[look % 3], HAIR[look // 3 % 3]
    swings = [sin(2 * pi * k / POSES) for k in range(POSES)] + [0.0]
    return [sprite(figure(tall, swing, colors), view, top, floor=0.52) for swing in swings]


@lru_cache(maxsize=256)
def figure(tall: int, swing: float, colors: tuple[tuple[int, int, int], ...]) -> Image.Image:
    """An RGBA figure `tall` pixels high and 0.6 x as wide; swing -1..1 is the moment of the step."""
    upper, lower, skin, hair = colors
    size = tall * 3  # drawn three times as large, then averaged
    wide = round(tall * 0.6) * 3
    image = Image.new("RGBA", (wide, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)

    def limb(x0: float, y0: float, x1: float, y1: float, thick: float, fill: tuple[int, int, int]) -> None:
        ends = [(wide / 2 + x0 * size, y0 * size), (wide / 2 + x1 * size, y1 * size)]
        draw.line(ends, fill, round(thick * size))
        for x, y in ends:
            r = thick * size / 2
            draw.ellipse([x - r, y - r, x + r, y + r], fill)

    for side in (-1, 1):
        spread = side * 0.095 + 0.075 * swing * side
        lift = 0.035 * max(0.0, swing * side)
        limb(side * 0.085, 0.57, spread, 0.9 - lift, 0.17, lower)
        limb(spread, 0.955 - lift, spread + side * 0.03, 0.955 - lift, 0.05, (60, 46, 40))
        hand = side * 0.235 - 0.05 * swing
        limb(hand, 0.5, hand, 0.53, 0.065, skin)
        limb(side * 0.17, 0.23, hand, 0.48, 0.085, upper)
    limb(-0.105, 0.24, 0.105, 0.24, 0.13, upper)
    draw.rectangle([wide / 2 - 0.165 * size, 0.24 * size, wide / 2 + 0.165 * size, 0.55 * size], upper)
    draw.rectangle([wide / 2 - 0.165 * size, 0.5 * size, wide / 2 + 0.165 * size, 0.62 * size], lower)
    limb(0, 0.15, 0, 0.19, 0.07, skin)
    limb(0, 0.085, 0, 0.11, 0.13, skin)
    draw.pieslice([wide / 2 - 0.075 * size, 0, wide / 2 + 0.075 * size, 0.15 * size], 180, 360, hair)
    # A pale rim, one pixel wide, keeps dark clothes apart from dark ground.
    rim = Image.new("RGBA", image.size, (236, 236, 230, 0))
    rim.putalpha(image.getchannel("A").filter(ImageFilter.MaxFilter(5)))
    rim.alpha_composite(image)
    return rim.reduce(3)


def vehicle(view: View, what: Vehicle, top: float) -> Sprite:
    """A car or a van that faces where it goes, its lamps lit in the dark."""
    wide, tall = round(view.long(VEHICLE[0])), round(view.tall(VEHICLE[1]))
    image = body(wide, tall, PAINT[what.color], what.tall)
    if what.speed < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return sprite(image, view, top, floor=0.55, glow=0.95 if view.dark else 0.0)


@lru_cache(maxsize=256)
def body(wide: int, tall: int, paint: tuple[int, int, int], van: bool) -> Image.Image:
    """An RGBA vehicle of wide x tall pixels that faces to the right."""
    w, h = wide * 3, tall * 3
    image = Image.new("RGBA", (w, h), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)

    def part(x0: float, y0: float, x1: float, y1: float, fill: tuple[int, int, int], round_by: float = 0.0) -> None:
        draw.rounded_rectangle([x0 * w, y0 * h, x1 * w - 1, y1 * h - 1], round_by * h, fill)

    glass = (40, 56, 78)
    if van:
        part(0.0, 0.04, 1.0, 0.88, paint, 0.14)
        part(0.72, 0.14, 0.95, 0.44, glass, 0.05)
    else:
        part(0.16, 0.06, 0.8, 0.7, paint, 0.2)
        part(0.0, 0.38, 1.0, 0.88, paint, 0.16)
        part(0.23, 0.14, 0.46, 0.42, glass, 0.06)
        part(0.51, 0.14, 0.74, 0.42, glass, 0.06)
    part(0.9, 0.5, 1.0, 0.66, LIGHT)
    part(0.0, 0.5, 0.06, 0.66, (214, 40, 30))
    for x in (0.24, 0.76):
        r = 0.17 * h
        draw.ellipse([x * w - r, h - 2 * r, x * w + r, h - 1], (18, 18, 20))
    return image.reduce(3)
