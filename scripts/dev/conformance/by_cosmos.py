"""cosmos-rl: its own Config, our dataset and packer as its trainer uses them, in its Python with its transformers 4.57."""

import copy
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dev.conformance.clips import Case, setting_name
from dev.conformance.seen import Seen
from roadtrain import torchvision_cpu


def see(root: Path, cases: Sequence[Case]) -> None:
    """cosmos-rl/ of every case, from root/<setting>.toml."""
    torchvision_cpu.ensure()
    from cosmos_rl.policy.config import Config

    from roadtrain.train.cosmos.data import QuestionDataset, SequencePacker

    for setting in dict.fromkeys(case.setting for case in cases):
        text = (root / f"{setting_name(setting)}.toml").read_text(encoding="utf-8")
        config = Config.from_dict(copy.deepcopy(tomllib.loads(text)))
        packer, dataset = SequencePacker(), QuestionDataset(config)
        packer.setup(config)
        by_clip = {entry.id: entry for entry in dataset.entries}
        for case in (case for case in cases if case.setting == setting):
            pack(packer, by_clip[case.clip]).save(root / "cosmos-rl", case.name)


def pack(packer: Any, question: Any) -> Seen:
    """One pass with one question, in the order of calls of cosmos-rl's trainer; the answer at its end is no part of the prompt."""
    batch = [packer.sft_process_sample(((question,), 1.0))]
    packer.batch_size(batch)
    passes = packer.slice_batch(batch, 0, 1)
    longest = packer.sft_compute_max_len(passes)
    inputs = packer.sft_collate_fn(passes, computed_max_len=longest, ignore_label_id=-100)
    ids = inputs["input_ids"][0].cpu().numpy()
    (segment,) = batch[0].segments
    pixels, grid = inputs["pixel_values_videos"].float().cpu().numpy(), inputs["video_grid_thw"].cpu().numpy()
    return Seen(np.asarray(ids[: len(ids) - len(segment.answer_ids)]), pixels, grid)
