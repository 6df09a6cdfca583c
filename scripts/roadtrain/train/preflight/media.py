"""What the model will see of each clip: from the headers of its videos and pictures, which promise it, or from the index of its
frames, which has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roadtrain.data.question import Question
from roadtrain.frames.index import FrameIndex, FramesRow
from roadtrain.frames.probe import Bad, Still, Video
from roadtrain.frames.prober import Looking, Prober
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


def plan_clips(
    run: TrainRun, questions: Sequence[Question], looking: Looking | None = None
) -> dict[Clip, ClipPlan | str]:
    """{clip: its plan by the headers, or the reason why it can't be sampled}."""
    clips = list(dict.fromkeys(question.clip for question in questions))
    media = sorted({medium for clip in clips for medium in clip.media}, key=str)
    files = dict.fromkeys((medium.file, medium.kind) for medium in media)
    with Prober(looking or Looking()) as prober:
        headers = {(file, kind): prober.probe(run.media, file, kind) for file, kind in files}
    plans = {medium: _plan(run.vision, medium, headers[medium.file, medium.kind]) for medium in media}
    return {clip: _clip_plan(clip, plans) for clip in clips}


def decoded_clips(frames: FrameIndex, questions: Sequence[Question]) -> dict[Clip, ClipPlan | str]:
    """The same by the frames that are there."""
    clips = dict.fromkeys(question.clip for question in questions)
    return {
        clip: _clip_plan(clip, {medium: _decoded(frames.row(medium)) for medium in clip.media})
        if clip in frames
        else frames.reason(clip)
        for clip in clips
    }


def _decoded(row: FramesRow) -> MediumPlan:
    if row.get("kind") == "image":
        return Picture(row["height"], row["width"]), None
    return Sampling(tuple(row["frames_indices"]), row["height"], row["width"], row["total_num_frames"]), row["fps"]


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
