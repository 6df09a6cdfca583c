"""What the model will see of each clip, from the headers of its videos and pictures alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.data.question import Question
from roadtrain.frames.probe import Bad, Still, Video, probe
from roadtrain.frames.sampling import Picture, Sampling, picture_size, sample
from roadtrain.media import Clip, Medium, Words
from roadtrain.train.toml_config import TrainRun

MediumPlan = tuple[Sampling | Picture, float | None]  # and frames a second; None of a picture


@dataclass(frozen=True)
class SeveralPlans:
    """What the model sees of several media: the plan of each, and the words between them."""

    parts: tuple[MediumPlan | Words, ...]

    @property
    def media(self) -> list[MediumPlan]:
        """Without the words."""
        return [part for part in self.parts if not isinstance(part, Words)]

    @property
    def vision_tokens(self) -> int:
        """Of all media together."""
        return sum(plan.vision_tokens for plan, _ in self.media)


ClipPlan = tuple[Sampling | Picture | SeveralPlans, float | None]  # and frames a second of a single video


def plan_clips(run: TrainRun, questions: Sequence[Question]) -> dict[Clip, ClipPlan | str]:
    """{clip: its plan, or the reason why it can't be sampled}."""
    clips = list(dict.fromkeys(question.clip for question in questions))
    media = sorted({medium for clip in clips for medium in clip.media}, key=str)
    files = dict.fromkeys((medium.file, medium.kind) for medium in media)
    headers = {(file, kind): probe(str(Path(run.media, file)), "full", kind) for file, kind in files}
    plans = {medium: _plan(run.vision, medium, headers[medium.file, medium.kind]) for medium in media}
    return {clip: _clip_plan(clip, plans) for clip in clips}


def _clip_plan(clip: Clip, plans: Mapping[Medium, MediumPlan | str]) -> ClipPlan | str:
    if len(clip.parts) == 1:
        return plans[clip.first]
    parts: list[MediumPlan | Words] = []
    for part in clip.parts:
        plan = plans[part] if isinstance(part, Medium) else part
        if isinstance(plan, str):
            return plan
        parts.append(plan)
    return SeveralPlans(tuple(parts)), None


def _plan(vision: dict[str, Any], medium: Medium, header: Video | Still | Bad | None) -> MediumPlan | str:
    if isinstance(header, Bad):
        return header.reason
    try:
        if isinstance(header, Still):
            return Picture(*picture_size(vision, header.height, header.width)), None
        assert header is not None  # a full probe knows something
        start, end = header.window(medium.start, medium.end)
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
