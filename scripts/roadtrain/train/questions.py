"""What a training run learns from: the questions of its TOML whose clips have frames. Both engines ask here."""

from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question
from roadtrain.frames.index import FrameIndex
from roadtrain.train.toml_config import TrainRun


def read_frame_index(run: TrainRun) -> FrameIndex:
    """The run's frames. Raises ValueError naming both files when they were decoded for another vision setting than the TOML
    has: an edited custom.vision would train on the old frames."""
    frames = FrameIndex.load(run.frames_index)
    for key in sorted(run.vision.keys() | frames.vision.keys()):
        in_toml, in_index = (vision.get(key, "missing") for vision in (run.vision, frames.vision))
        if in_toml != in_index:
            raise ValueError(
                f"{run.source}: custom.vision.{key} is {in_toml}, and the frames of {run.frames_index} were decoded with"
                f" {key} {in_index}: change the vision setting in the spec, which renders the TOML and decodes the frames"
            )
    return frames


def usable_questions(run: TrainRun, frames: FrameIndex) -> list[Question]:
    """The questions whose clip has frames, in the order of the file. Raises ValueError when there are none."""
    questions = [entry for entry in read_questions(run.llava) if entry.clip in frames]
    if not questions:
        raise ValueError(f"{run.llava}: no question has frames in {run.frames_index}: nothing to train on")
    return questions
