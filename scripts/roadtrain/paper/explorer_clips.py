"""The clips of the report's explorer, each with one strip of the frames that the model saw."""

from collections.abc import Sequence
from typing import Any

from roadtrain.frames.index import FramesRow, row_medium
from roadtrain.media import Clip
from roadtrain.paper.thumbnails import FRAMES, GAP, HEIGHT, frame_width, spread_frames, strips
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import describe_vision


def clips_with_pictures(results: Results, clips: Sequence[Clip], budget: int) -> dict[str, Any]:
    """clips: [{video, window, strips: [{picture, frames, width, gap, height, words}]}], a strip for each medium of the clip;
    pictures: data URIs; without_picture: how many media have none.

    `picture` is a number in pictures; width, gap and height are pixels of a frame in it. The strip is of the setting
    that shows most: one is enough to see what the question is about, and two would double the page.
    """
    rows: list[dict[str, Any]] = [
        {"video": clip.first.file, "window": _window(clip.first.start, clip.first.end), "strips": []} for clip in clips
    ]
    ablation = _richest(results)
    index = {row_medium(line): line for line in ablation.frames("val")["clips"]}
    media = [(row, index.get(medium)) for row, clip in zip(rows, clips, strict=True) for medium in clip.media]
    lines = list({line["file"]: line for _, line in media if line is not None}.values())
    uris = strips(lines, results.root, budget)
    number_of = {file: number for number, file in enumerate(uris)}
    without = 0
    for row, line in media:
        if line is None or line["file"] not in number_of:
            without += 1
            continue
        row["strips"].append(_strip(line, number_of[line["file"]], ablation))
    return {"clips": rows, "pictures": list(uris.values()), "without_picture": without}


def _richest(results: Results) -> AblationResults:
    """The ablation whose model is shown most pixels of the validation clips; of as many, the first."""

    def pixels(ablation: AblationResults) -> int:
        return sum(line["frames"] * line["height"] * line["width"] for line in ablation.frames("val")["clips"])

    return max(results.ablations, key=pixels)


def _strip(line: FramesRow, picture: int, ablation: AblationResults) -> dict[str, Any]:
    return {
        "picture": picture,
        "frames": len(spread_frames(line["frames"])),
        "width": frame_width(line["width"], line["height"]),
        "gap": GAP,
        "height": HEIGHT,
        "words": f"{_frames_in_words(line)} · {describe_vision(ablation.vision)} · {line['width']}×{line['height']}",
    }


def _frames_in_words(line: FramesRow) -> str:
    if "kind" in line:
        return "picture"
    count = min(FRAMES, line["frames"])
    return f"{count} of {line['frames']} frames" if count < line["frames"] else f"{count} frames"


def _window(start: float | None, end: float | None) -> str:
    return "" if start is None and end is None else f"{start or 0:g} to {'the end' if end is None else f'{end:g}'} s"
