"""What the model will see of each clip, from the headers of its videos and pictures alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.data.llava import ClipKey, Entry, MediumKey, Said, media_of, parts_of
from roadtrain.frames.probe import Bad, Still, Video, probe
from roadtrain.frames.sampling import Picture, Sampling, picture_size, sample
from roadtrain.train.toml_config import TrainRun

MediumPlan = tuple[Sampling | Picture, float | None]  # and frames a second; None of a picture


@dataclass(frozen=True)
class SeveralPlans:
    """What the model sees of several media: the plan of each, and the words between them."""

    parts: tuple[MediumPlan | str | Said, ...]

    @property
    def media(self) -> list[MediumPlan]:
        return [part for part in self.parts if isinstance(part, tuple)]

    @property
    def vision_tokens(self) -> int:
        return sum(plan.vision_tokens for plan, _ in self.media)


ClipPlan = tuple[Sampling | Picture | SeveralPlans, float | None]  # and frames a second of a single video


def plan_clips(run: TrainRun, entries: Sequence[Entry]) -> dict[ClipKey, ClipPlan | str]:
    """{clip: its plan, or the reason why it can't be sampled}."""
    clips = list(dict.fromkeys(entry.clip for entry in entries))
    keys = sorted({medium for clip in clips for medium in media_of(clip)}, key=str)
    files = dict.fromkeys((name, *kind) for name, _, _, *kind in keys)
    headers = {(name, *kind): probe(str(Path(run.media, name)), "full", *kind) for name, *kind in files}
    plans = {key: _plan(run.vision, key, headers[key[0], *key[3:]]) for key in keys}
    return {clip: _clip_plan(clip, plans) for clip in clips}


def _clip_plan(clip: ClipKey, plans: dict[MediumKey, MediumPlan | str]) -> ClipPlan | str:
    if clip in plans:
        return plans[clip]
    parts: list[MediumPlan | str | Said] = []
    for part in parts_of(clip):
        plan = plans[part] if isinstance(part, tuple) else None
        if isinstance(plan, str):
            return plan
        parts.append(plan or part)
    return SeveralPlans(tuple(parts)), None


def _plan(vision: dict[str, Any], medium: MediumKey, header: Video | Still | Bad | None) -> MediumPlan | str:
    _, start, end, *_ = medium
    if isinstance(header, Bad):
        return header.reason
    try:
        if isinstance(header, Still):
            return Picture(*picture_size(vision, header.height, header.width)), None
        assert header is not None  # a full probe knows something
        plan = sample(
            vision,
            total_frames=header.frames,
            fps=header.fps,
            height=header.height,
            width=header.width,
            start=start,
            end=end,
        )
        return plan, header.fps
    except ValueError as error:
        return str(error)
