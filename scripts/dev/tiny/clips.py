"""Draws an abstract clip: a band with blocks on it, a two-part figure, a backdrop, a veil over everything.

Nothing in it is a thing of traffic; what it shares with any picture are colours, textures, counts, places and
movement. numpy and OpenCV; about 8 ms a clip.
"""

import cv2
import numpy as np

from .world import COLOURS, FRAMES, place

HEIGHT, WIDTH = 128, 160  # of the returned frames
DRAW_H, DRAW_W = 192, 240  # drawn larger, then averaged down: edges move by parts of a pixel
PALETTE = np.array(
    [
        (222, 36, 34),
        (40, 70, 226),
        (40, 165, 62),
        (238, 214, 36),
        (244, 244, 242),
        (18, 18, 20),
        (140, 44, 186),
        (240, 132, 24),
        (238, 120, 190),
        (40, 200, 205),
    ],
    np.float64,
)
assert len(PALETTE) == COLOURS
TONES = np.array([(66, 68, 74), (158, 158, 152), (140, 108, 70), (96, 120, 128)], np.float64)


def _colour(values) -> tuple[int, int, int]:
    return tuple(int(v) for v in np.clip(values, 0, 255))


def _box(image, x, y, w, h, colour) -> None:
    """A filled rectangle in shares of a pixel (1/16)."""
    x0, y0, x1, y1 = (int(round(v * 16)) for v in (x, y, x + w, y + h))
    cv2.fillPoly(image, [np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.int32)], colour, cv2.LINE_AA, 4)


def _background(clip: dict, r: np.random.Generator) -> tuple[np.ndarray, int, int, int]:
    """The parts that stand still; returns (picture, band's top row, row height of a lane, lanes)."""
    h, w = DRAW_H, DRAW_W
    image = np.empty((h, w, 3), np.uint8)
    cut = int(r.integers(36, 78))
    sky, ground = r.uniform(70, 235, 3), r.uniform(50, 190, 3)
    image[:cut] = _colour(sky)
    image[cut:] = _colour(ground)
    if clip["backdrop"] == 1:
        for _ in range(4):
            centre, radius = (int(r.integers(0, w)), cut + 6), (int(r.integers(24, 60)), int(r.integers(10, cut - 4)))
            cv2.ellipse(image, centre, radius, 0, 180, 360, _colour(r.uniform(50, 190, 3)), -1, cv2.LINE_AA)
        image[cut:] = _colour(ground)
    elif clip["backdrop"] == 2:
        for _ in range(6):
            bw, bh = int(r.integers(12, 34)), int(r.integers(10, cut - 2))
            x = int(r.integers(-8, w))
            image[cut - bh : cut, max(x, 0) : x + bw] = _colour(r.uniform(60, 210, 3))
    if clip["disc"] == 0:
        cv2.circle(
            image,
            (int(r.integers(12, w - 12)), int(r.integers(9, 20))),
            int(r.integers(7, 11)),
            _colour(PALETTE[r.integers(COLOURS)]),
            -1,
            cv2.LINE_AA,
        )
    lanes = clip["lines"] + 1
    lane = int(r.integers(16, 25))
    band = lane * lanes
    top = int(r.integers(min(cut + 6, h - band - 14), h - band - 12))
    _band(image[top : top + band], clip, lane, r)
    edge = _colour(r.uniform(140, 240, 3) if r.random() < 0.7 else r.uniform(90, 140, 3))
    depth = int(r.integers(8, 14))
    first = r.random() < 0.5
    if clip["ledge"] == 0 or (clip["ledge"] == 1 and first):
        image[max(0, top - depth) : top] = edge
    if clip["ledge"] == 0 or (clip["ledge"] == 1 and not first):
        image[top + band : top + band + depth] = edge
    if clip["rail"] == 0:
        y, colour = top - int(r.integers(16, 24)), _colour(r.uniform(150, 245, 3))
        for x in range(int(r.integers(0, 20)), w, int(r.integers(18, 30))):
            image[max(y, 0) : top - 4, x : x + 3] = colour
        image[max(y, 0) : max(y + 6, 0)] = colour
    if clip["poles"] == 0:
        foot, high, colour = top - 2, int(r.integers(44, 66)), _colour(r.uniform(20, 110, 3))
        lamp = _colour(r.uniform(190, 255, 3))
        for x in range(int(r.integers(8, 60)), w, int(r.integers(56, 96))):
            y = max(foot - high, 2)
            image[y:foot, x : x + 4] = colour
            image[y : y + 4, x : x + 16] = colour
            image[y + 3 : y + 9, x + 8 : x + 18] = lamp
    return image, top, lane, lanes


def _band(band: np.ndarray, clip: dict, lane: int, r: np.random.Generator) -> None:
    """Colour, grain, lines, bars and reflections of the band, in place."""
    h, w = band.shape[:2]
    tone = TONES[clip["tone"]] * r.uniform(0.92, 1.08) + r.normal(0, 4, 3)
    band[:] = _colour(tone)
    if clip["grain"] == 1:
        dark = _colour(tone * r.uniform(0.62, 0.78))
        for x in range(int(r.integers(0, 24)), w, int(r.integers(24, 40))):
            band[:, x : x + 2] = dark
    elif clip["grain"] == 2:
        size = int(r.integers(2, 5))
        coarse = r.normal(0, r.uniform(20, 34), (-(-h // size), -(-w // size), 1)).repeat(size, 0).repeat(size, 1)
        band[:] = np.clip(band + coarse[:h, :w], 0, 255).astype(np.uint8)
    elif clip["grain"] == 3:
        wave = r.uniform(16, 28) * np.sin(np.arange(h)[:, None] / r.uniform(1.4, 2.2) + np.arange(w) / r.uniform(8, 20))
        band[:] = np.clip(band + wave[..., None], 0, 255).astype(np.uint8)
    if clip["sheen"] == 0:  # darker, with bright streaks and puddles
        band[:] = (band * r.uniform(0.6, 0.75)).astype(np.uint8)
        shine = _colour(r.uniform(120, 245, 3))
        for _ in range(int(r.integers(5, 10))):
            x, y = int(r.integers(0, w)), int(r.integers(0, h))
            radius = (int(r.integers(8, 32)), int(r.integers(2, 7)))
            over = band.copy()
            cv2.ellipse(over, (x, y), radius, 0, 0, 360, shine, -1, cv2.LINE_AA)
            mix = r.uniform(0.35, 0.8)
            cv2.addWeighted(over, mix, band, 1 - mix, 0, dst=band)
    dash, gap, start = int(r.integers(9, 20)), int(r.integers(7, 14)), int(r.integers(-20, 0))
    paint = _colour(np.full(3, r.uniform(225, 255)))
    for i in range(1, clip["lines"] + 1):
        for x in range(start, w, dash + gap):
            band[i * lane - 1 : i * lane + 2, max(x, 0) : max(x + dash, 0)] = paint
    if clip["bars"] == 0:
        x0, wide, period = int(r.integers(0, w - 60)), int(r.integers(28, 56)), int(r.integers(8, 13))
        if r.random() < 0.5:
            for y in range(2, h, period):
                band[y : y + period // 2, x0 : x0 + wide] = paint
        else:
            for x in range(x0, x0 + wide, period):
                band[:, x : x + period // 2] = paint


def _blocks(clip: dict, lanes: int, r: np.random.Generator) -> list[tuple]:
    """(lane, place on the round 0..1, rounds in the whole clip, width, colour): evenly spaced within a lane."""
    count = clip["count"]
    way = (-1, 1, 0)[clip["flow"]]
    shared = PALETTE[clip["paint"]]
    blocks = []
    for turn, lane in enumerate(r.permutation(lanes)):
        here = len(range(turn, count, lanes))
        rounds, first = way * r.uniform(0.16, 0.7), r.random()
        for i in range(here):
            spot = first + (i + r.uniform(-0.05, 0.05)) / here
            colour = (shared if clip["uniform"] else r.uniform(10, 240, 3)) * r.uniform(0.9, 1.05)
            blocks.append((int(lane), spot, rounds, min(r.uniform(16, 36), (DRAW_W + 30) / here * 0.8), colour))
    return blocks


def _figure(image, clip: dict, x: float, foot: float, tall: float, wide: float, skin, swing: float) -> None:
    """A two-part figure with a head, its foot at (x, foot). `swing` moves its legs."""
    upper, lower = (_colour(PALETTE[clip[k]]) for k in ("upper", "lower"))
    head = tall * 0.2
    _box(image, x - wide / 2, foot - tall * 0.8, wide, tall * 0.4, upper)
    leg = wide * 0.48
    _box(image, x - leg + swing, foot - tall * 0.4, leg, tall * 0.4, lower)
    _box(image, x - swing, foot - tall * 0.4, leg, tall * 0.4, lower)
    top = foot - tall
    if clip["head"] == 0:
        cv2.circle(image, (int(x * 16), int((top + head / 2) * 16)), int(head * 8), skin, -1, cv2.LINE_AA, 4)
    elif clip["head"] == 1:
        _box(image, x - head * 0.6, top, head * 1.2, head, skin)
    else:
        corners = np.array([(x - head * 0.8, top + head), (x + head * 0.8, top + head), (x, top - head * 0.3)])
        cv2.fillPoly(image, [(corners * 16).astype(np.int32)], skin, cv2.LINE_AA, 4)


def _veil(image, clip: dict, light: float, share: float, drops: dict) -> np.ndarray:
    """Streaks, dots or haze over a finished frame."""
    kind = clip["veil"]
    if kind == 1:
        image = cv2.convertScaleAbs(image, alpha=0.85)
        x, y = (drops["x"] + drops["slant"] * 40 * share) % DRAW_W, (drops["y"] + 900 * share) % DRAW_H
        lines = np.stack([np.stack([x, y], 1), np.stack([x - drops["slant"], y + drops["long"]], 1)], 1)
        cv2.polylines(
            image, list((lines * 16).astype(np.int32)), False, _colour(np.full(3, 95 + 95 * light)), 1, cv2.LINE_AA, 4
        )
    elif kind == 2:
        image = cv2.convertScaleAbs(image, alpha=0.92, beta=8)
        x = (drops["x"] + 6 * np.sin(share * 12 + drops["y"])) % DRAW_W
        y = (drops["y"] + 260 * share) % DRAW_H
        white = _colour(np.full(3, 255 * (0.45 + 0.55 * light)))
        for cx, cy in zip((x * 16).astype(int).tolist(), (y * 16).astype(int).tolist(), strict=False):
            cv2.circle(image, (cx, cy), drops["radius"], white, -1, cv2.LINE_8, 4)
    elif kind == 3:
        image = (image * (1 - drops["haze"]) + drops["haze"] * 205 * (0.35 + 0.65 * light)).astype(np.uint8)
    return image


def render(clip: dict, seed: int) -> np.ndarray:
    """The clip as uint8 (16, 128, 160, 3), RGB. The same attributes and seed give the same bytes."""
    r = np.random.default_rng(seed)
    still, top, lane, lanes = _background(clip, r)
    blocks = _blocks(clip, lanes, r)
    bottom = top + lane * lanes
    tall = r.uniform(62, 100) if clip["size"] == 0 else r.uniform(38, 52)
    highest = max(top + 6, tall + 4)
    foot = r.uniform(highest, max(highest, min(bottom + 16, DRAW_H - 2)))
    wide = tall * r.uniform(0.3, 0.42)
    skin, walking = _colour(r.uniform(60, 230, 3)), clip["walk"] != 2
    light = (1.0, 0.62, 0.32)[clip["glow"]] * r.uniform(0.92, 1.08)
    count = int(r.integers(110, 210))
    drops = dict(
        x=r.uniform(0, DRAW_W, count),
        y=r.uniform(0, DRAW_H, count),
        slant=r.uniform(-5, 5),
        long=r.uniform(9, 18),
        radius=int(r.uniform(1.2, 2.8) * 16),
        haze=np.linspace(r.uniform(0.6, 0.8), r.uniform(0.35, 0.6), DRAW_H, dtype=np.float32)[:, None, None],
    )
    tint = r.uniform(0.93, 1.07, 3) * light
    noise = r.normal(0, 2.2, (HEIGHT, WIDTH, 3)).astype(np.int16)
    warp = _warp(r) if r.random() < 0.4 else None
    out = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    for j in range(FRAMES):
        share = j / (FRAMES - 1)
        frame = still.copy()
        for where, spot, rounds, width, colour in blocks:
            x = ((spot + rounds * share) % 1) * (DRAW_W + width) - width
            y, high = top + where * lane + lane * 0.18, lane * 0.64
            _box(frame, x, y, width, high, _colour(colour))
            _box(frame, x + width * 0.25, y + high * 0.2, width * 0.4, high * 0.3, _colour(colour * 0.4 + 60))
        swing = wide * 0.12 * np.sin(j * 2.1) if walking else 0.0
        _figure(frame, clip, place(clip, share) * DRAW_W, foot, tall, wide, skin, swing)
        frame = cv2.transform(frame, np.diag(tint))
        frame = _veil(frame, clip, light, share, drops)
        if warp is not None:
            frame = cv2.warpPerspective(frame, warp, (DRAW_W, DRAW_H), borderMode=cv2.BORDER_REPLICATE)
        frame = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        noise = np.roll(noise, 17, axis=1)
        out[j] = np.clip(frame + noise, 0, 255)
    return out


def _warp(r: np.random.Generator) -> np.ndarray:
    """A slight change of viewpoint: the corners move by up to 6 % of the width, so thirds stay thirds."""
    corners = np.array([(0, 0), (DRAW_W, 0), (DRAW_W, DRAW_H), (0, DRAW_H)], np.float32)
    return cv2.getPerspectiveTransform(corners, corners + r.uniform(-0.06, 0.06, (4, 2)).astype(np.float32) * DRAW_W)
