"""What scales are measured on: training clips with all their questions, through the prompts of evaluation."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question, group_by_clip
from roadtrain.files import sha256_file
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip

if TYPE_CHECKING:
    from roadtrain.model.prompts import Prefix, Prompter
    from roadtrain.model.sequences import TokenSequence


@dataclass(frozen=True)
class CalibrationData:
    """Training clips with all their questions, as evaluation will ask them."""

    llava: str  # training conversations
    frames: str  # index of their frames
    system_prompt: str
    videos: int  # at most so many are taken
    max_length: int  # tokens; a longer sequence is an error: cut off, calibration would see half a video

    def fingerprint(self) -> dict[str, Any]:
        """What decides the scales."""
        return {
            "llava": sha256_file(self.llava),
            "frames": sha256_file(self.frames),
            "system_prompt": self.system_prompt,
            "videos": self.videos,
            "max_length": self.max_length,
        }

    def choose_clips(self, index: FrameIndex) -> dict[Clip, list[Question]]:
        """Clips drawn at random with their questions, the same ones every time. Raises ValueError when there is none."""
        groups = group_by_clip(read_questions(self.llava))
        clips = {clip: questions for clip, questions in groups.items() if clip in index}
        if not clips:
            raise ValueError(f"{self.llava}: no video has frames in {self.frames}: nothing to calibrate on")
        sample = random.Random(0).sample(sorted(clips, key=str), min(self.videos, len(clips)))
        return {clip: clips[clip] for clip in sample}

    def sequences(
        self,
        clips: dict[Clip, list[Question]],
        prefix_of: Callable[[Clip], "Prefix"],
        prompter: "Prompter",
        video_token_id: int,
    ) -> Iterator["TokenSequence"]:
        """One a clip, made when it is asked for; `prefix_of` reads it, as pixels or as kept vision features. Raises
        ValueError for one that is longer than max_length."""
        from roadtrain.model.sequences import build

        for clip, questions in clips.items():
            segments = [prompter.segment(question) for question in questions]
            sequence = build([(prefix_of(clip), segments)], video_token_id)
            if len(sequence.input_ids) > self.max_length:
                raise ValueError(
                    f"{clip.first.file}: {len(sequence.input_ids)} tokens, more than calibration_max_length {self.max_length}:"
                    " cut off, calibration would see half a video"
                )
            yield sequence
