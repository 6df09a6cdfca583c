"""Frames of one camera: the backdrop, the vehicles, the pedestrian, what falls from the sky."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from roadtrain.sample.backdrop import backdrop
from roadtrain.sample.chance import stream
from roadtrain.sample.scenes import STEP, Camera, Scene, Vehicle
from roadtrain.sample.sprites import POSES, VEHICLE, Sprite, pedestrian, vehicle
from roadtrain.sample.view import FEET, LANE, PEDESTRIAN, View

STEPS_A_SECOND = 0.9  # double steps of the pedestrian
FLAKES, DROPS = 120, 110


def number_of_frames(scene: Scene, camera: Camera) -> int:
    """Frames of a scene's video from one camera."""
    return round(scene.seconds * camera.fps)


def frames(scene: Scene, camera: Camera) -> Iterator[np.ndarray]:
    """Every frame of the clip in order: uint8 (height, width, 3) RGB."""
    view = View(scene, camera)
    still = np.clip(backdrop(view), 0, 255).astype(np.uint8)
    convoy = [Rider.in_view(view, what) for what in sorted(scene.vehicles, key=lambda v: v.lane)]
    walker = pedestrian(view, view.y(FEET - PEDESTRIAN))
    ahead = dashboard(view) if camera.dashboard else None
    falling = Falling.in_view(view)
    for k in range(number_of_frames(scene, camera)):
        seconds = float(k / camera.fps)
        frame = still.copy()
        for rider in convoy:
            rider.sprite.paste(frame, rider.left(seconds), rider.top)
        pose = walker[int(seconds * STEPS_A_SECOND * POSES) % POSES if STEP[scene.answers["direction"]] else -1]
        height, width = pose.keep.shape[:2]
        left = round(view.x(scene.pedestrian_at(seconds)) - width / 2)
        pose.paste(frame, left, round(view.y(FEET)) - height)
        if ahead:
            ahead.paste(frame, 0, 0)
        if falling:
            falling.paint(frame, seconds)
        yield frame


@dataclass(frozen=True)
class Rider:
    """A vehicle in a picture. Its round is the picture's width and its own: it is never away for long."""

    sprite: Sprite
    what: Vehicle
    width: int
    top: int

    @classmethod
    def in_view(cls, view: View, what: Vehicle) -> "Rider":
        bottom = view.y(view.road_top + (what.lane + 1) * LANE - 0.008)
        top = round(bottom - view.tall(VEHICLE[1]))
        return cls(vehicle(view, what, top), what, view.width, top)

    def left(self, seconds: float) -> int:
        wide = self.sprite.keep.shape[1]
        return round((self.what.place + self.what.speed * seconds) % 1 * (self.width + wide)) - wide


@dataclass(frozen=True)
class Falling:
    """Rain or snow. Particles start at (x, y) and move by (sideways, down) pixels a second."""

    x: np.ndarray
    y: np.ndarray
    down: float
    sideways: float
    shape: tuple[int, int]  # height and width of a particle
    value: int

    @classmethod
    def in_view(cls, view: View) -> "Falling | None":
        weather, unit = view.scene.answers["weather"], view.height / 192
        if weather not in ("Rainy", "Snowy"):
            return None
        rainy = weather == "Rainy"
        rng = np.random.default_rng(stream(*view.scene.key, view.camera.size, "falling").getrandbits(32))
        n = DROPS if rainy else FLAKES
        return cls(
            x=rng.uniform(0, view.width, n),
            y=rng.uniform(0, view.height, n),
            down=(170 if rainy else 40) * unit,
            sideways=(15 if rainy else -12) * unit,
            shape=(round(18 * unit), 2) if rainy else (round(5 * unit), round(5 * unit)),
            value=int(min(250, 95 + 125 * view.brightness if rainy else 255 * (0.5 + 0.5 * view.brightness))),
        )

    def paint(self, frame: np.ndarray, seconds: float) -> None:
        height, width = frame.shape[:2]
        x = (self.x + self.sideways * seconds).astype(int)[:, None, None] + np.arange(self.shape[1])
        y = (self.y + self.down * seconds).astype(int)[:, None, None] + np.arange(self.shape[0])[:, None]
        frame[y % height, x % width] = self.value


def dashboard(view: View) -> Sprite:
    """The bonnet and the frame of the windscreen of the vehicle that carries the camera."""
    image = Image.new("RGBA", view.camera.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    w, h = view.camera.size
    draw.ellipse([-0.15 * w, 0.93 * h, 1.15 * w, 1.3 * h], (44, 46, 52, 255))
    draw.rectangle([0, 0, w, 0.03 * h], (24, 25, 28, 255))
    pixels = np.asarray(image).astype(np.uint16)
    return Sprite(pixels[:, :, :3] * pixels[:, :, 3:], 255 - pixels[:, :, 3:])
