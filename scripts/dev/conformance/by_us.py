"""Training's sequence and evaluation's prompt, by the code that trains and evaluates, from the frame cache."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dev.conformance.clips import Case, index_file, setting_name
from dev.conformance.seen import HUMAN, OPTIONS, SYSTEM_PROMPT, Seen
from roadtrain.data.llava import entry_json, read_questions, write_entries
from roadtrain.evaluate.generation import generate_answers
from roadtrain.evaluate.local import load_for_answers
from roadtrain.evaluate.replies import letter_tokens
from roadtrain.frames.building import BadVideos, Split, build_indexes
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip, Medium
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prefix, Prompter, Segment
from roadtrain.model.sequences import build, vision_inputs
from roadtrain.workers import JobLimits


def write_questions(root: Path, cases: Sequence[Case]) -> None:
    """The one question about every case, a file for each setting."""
    for setting in {case.setting for case in cases}:
        words: Any = {"type": "t", "phase": "p", "human": HUMAN, "answer": "A"}
        entries = [
            entry_json(id=case.clip, scenario=case.clip, video=case.file, start=case.start, end=case.end, **words)
            for case in cases
            if case.setting == setting
        ]
        write_entries(root / f"{setting_name(setting)}.llava.json", entries)


def clip_of(case: Case) -> Clip:
    return Clip((Medium(case.file, case.start, case.end),))


def decode(root: Path, cases: Sequence[Case]) -> None:
    """The frame index of each setting, below `root`: media are in root/media. Raises ValueError when a clip can't be read."""
    media = list(dict.fromkeys(medium for case in cases for medium in clip_of(case).media))
    settings = {str(index_file(root, case)): dict(case.vision) for case in cases}
    limits, rules = JobLimits(seconds=120), BadVideos("fail", 0.0, 0)
    split = Split("clips", media, str(root / "media"), str(root / "cache"))
    build_indexes(split, settings, more_settings=[], workers=0, limits=limits, rules=rules)


def see(root: Path, model: Path, cases: Sequence[Case]) -> None:
    """training/ and evaluation/ of every case."""
    processor = load_processor(model)
    prompter, loaded = Prompter(processor, SYSTEM_PROMPT), load_for_answers(model)
    video_token = processor.tokenizer.convert_tokens_to_ids("<|video_pad|>")
    files = {case.setting: root / f"{setting_name(case.setting)}.llava.json" for case in cases}
    questions = {(setting, q.id): q for setting, file in files.items() for q in read_questions(file)}
    for case in cases:
        question = questions[case.setting, case.clip]
        frames = FrameIndex.load(index_file(root, case)).read(question.clip)
        prefix, segment = prompter.prefix(frames), prompter.segment(question)
        (answer,) = generate_answers(
            loaded,
            prefix,
            [segment],
            stop_tokens=prompter.stop_tokens,
            max_new_tokens=1,
            letters=[letter_tokens(processor.tokenizer, OPTIONS)],
        )
        indices, letters = np.array(frames.media[0].metadata["frames_indices"]), np.array(answer.letter_logits, float)
        training(prefix, segment, video_token, indices, letters).save(root / "training", case.name)
        ids = np.array(prefix.input_ids.tolist() + segment.prompt_ids)
        seen = Seen(ids, prefix.pixels.numpy(), prefix.grid.numpy(), indices, letters)
        seen.save(root / "evaluation", case.name)


def training(prefix: Prefix, segment: Segment, video_token: int, indices: np.ndarray, letters: np.ndarray) -> Seen:
    """Of a sequence with one question; its last tokens are the answer, which has no part in the prompt. `letters`: what the model says
    to it, for those who compare answers."""
    import torch

    sequence = build([(prefix, [segment])], video_token)
    inputs = vision_inputs(sequence, torch.float32)
    ids = sequence.input_ids.numpy()
    prompt = ids[: len(prefix.input_ids) + len(segment.prompt_ids)]
    return Seen(prompt, inputs["pixel_values_videos"].numpy(), inputs["video_grid_thw"].numpy(), indices, letters)
