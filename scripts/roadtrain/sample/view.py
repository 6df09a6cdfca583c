"""How a scene becomes a picture: geometry of one camera, and its light.

Places in a scene are shares (u from the left, v from the top) of an unframed picture, so that one scene can
be drawn at any size. The camera stands at a crossing of a side street and looks at the main road:

    v 0.00  sky, houses, park
      far   far sidewalk, then the lanes of the main road, `LANE` each
      0.69  near edge of the road, near sidewalk
      0.80  side street with the crossing, on which the pedestrian walks
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from roadtrain.sample.scenes import Camera, Scene

LANE = 0.095
ROAD_END = 0.69
STREET = 0.80
SIDEWALK = 0.1
FEET = 0.95
PEDESTRIAN = 0.48  # its height

BRIGHTNESS = {"Bright": 1.0, "Dim": 0.66, "Dark": 0.42}
NIGHT = {"Bright": (1, 1, 1), "Dim": (0.98, 0.97, 1.03), "Dark": (0.93, 0.96, 1.15)}  # darkness is bluish
FOG = (0.5, 0.2)  # share of fog at the top and at the bottom of the picture


@dataclass(frozen=True)
class View:
    """One scene through one camera."""

    scene: Scene
    camera: Camera

    @property
    def width(self) -> int:
        return self.camera.size[0]

    @property
    def height(self) -> int:
        return self.camera.size[1]

    @property
    def road_top(self) -> float:
        """v of the far edge of the road."""
        return ROAD_END - LANE * self.scene.lanes

    def x(self, u: float) -> float:
        """Horizontal pixel of u."""
        return self.width * (0.5 + self.camera.zoom * (u - 0.5) + self.camera.shift[0])

    def y(self, v: float) -> float:
        """Vertical pixel of v."""
        stretch = self.camera.zoom * self.camera.height
        return self.height * (ROAD_END + stretch * (v - ROAD_END) + self.camera.shift[1])

    def long(self, share: float) -> float:
        """Pixels of a horizontal length."""
        return self.width * self.camera.zoom * share

    def tall(self, share: float) -> float:
        """Pixels of a vertical length."""
        return self.height * self.camera.zoom * self.camera.height * share

    @cached_property
    def brightness(self) -> float:
        return BRIGHTNESS[self.scene.answers["brightness"]] * self.scene.light

    @property
    def dark(self) -> bool:
        return self.scene.answers["brightness"] == "Dark"

    def lit(self, rgb: np.ndarray, top: float, floor: float = 0.0) -> np.ndarray:
        """Colours under this scene's light and fog, through this camera.

        rgb: (H, W, 3), colours by day; top: the pixel row at which it will lie.
        floor: the least brightness (what stands near the camera isn't lost in the dark).
        Returns float32 (H, W, 3), not clipped.
        """
        night = np.asarray(NIGHT[self.scene.answers["brightness"]], np.float32)
        out = rgb.astype(np.float32) * (max(self.brightness, floor) * night)
        match self.scene.answers["weather"]:
            case "Foggy":
                rows = np.clip((top + np.arange(len(rgb))) / self.height, 0, 1)
                share = (FOG[0] + (FOG[1] - FOG[0]) * rows).astype(np.float32)[:, None, None]
                out = out * (1 - share) + 205 * (0.3 + 0.7 * self.brightness) * night * share
            case "Rainy":
                out = out * 0.86 + np.asarray((0, 4, 12), np.float32)
            case "Snowy":
                out = out * 0.88 + 22 * (0.4 + 0.6 * self.brightness)
        return out * np.asarray(self.camera.tint, np.float32)
