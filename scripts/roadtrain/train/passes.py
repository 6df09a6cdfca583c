"""One forward pass: its questions and frames as one sequence of tokens and pixels."""

from collections.abc import Iterable

from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip
from roadtrain.model.features import FeatureCache
from roadtrain.model.prompts import Prefix, Prompter
from roadtrain.model.sequences import TokenSequence, build
from roadtrain.train.batches import Group
from roadtrain.train.execution import Execution
from roadtrain.train.toml_config import TrainRun


class PassBuilder:
    """Groups of questions -> TokenSequence, ready for the device."""

    def __init__(
        self,
        run: TrainRun,
        frames: FrameIndex,
        prompter: Prompter,
        video_token: int,
        execution: Execution,
        features: FeatureCache | None = None,
    ):
        self.run, self.frames, self.prompter, self.features = run, frames, prompter, features
        self.video_token, self.execution = video_token, execution

    def sequence(self, groups: list[Group]) -> TokenSequence:
        """Raises ValueError when it is longer than the TOML allows."""
        clips = []
        for group in groups:
            clips.append((self.prefix(group.clip), [self.prompter.segment(entry) for entry in group.entries]))
        sequence = build(clips, self.video_token)
        check_length(self.run, len(sequence.input_ids), groups[0].clip.first.file, clips=len(groups))
        return self.execution.prepare_sequence(sequence)

    def prefix(self, clip: Clip) -> Prefix:
        """With pixels, or with the features of a frozen tower in their place."""
        return self.features.prefix(clip) if self.features else self.prompter.prefix(self.frames.read(clip))

    def largest(self, passes: Iterable[list[Group]]) -> tuple[int, int]:
        """At most so many tokens of the language model and patches of the vision tower in one of these passes, without
        reading frames: a twentieth is added for the frames' time stamps, 100 tokens for a clip's system prompt."""
        tokens = patches = 0
        for groups in passes:
            vision = sum(row["vision_tokens"] for group in groups for row in self.frames.rows_of(group.clip))
            segments = [self.prompter.segment(entry) for group in groups for entry in group.entries]
            text = sum(len(segment.prompt_ids) + len(segment.answer_ids) for segment in segments)
            tokens = max(tokens, int(1.05 * vision) + text + 100 * len(groups))
            patches = max(patches, 4 * vision)
        return tokens, patches


def check_length(run: TrainRun, tokens: int, video: str, clips: int = 1) -> None:
    """Raises ValueError when a sequence of `clips` clips has more tokens than model_max_length allows."""
    if tokens > run.model_max_length * clips:
        raise ValueError(
            f"{video}: {tokens} tokens, more than model_max_length: {run.model_max_length}"
            " (train in the spec): raise it, lower the pixels, or set questions_per_video"
        )
