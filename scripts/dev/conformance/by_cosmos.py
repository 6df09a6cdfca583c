"""cosmos-rl: its own Config, our dataset, sampler and packer as its trainer uses them, in its Python with its transformers 4.57.

The batches are those of transformers' own forward; the one that replaces it is called with the same sequences.
"""

import copy
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dev.conformance.clips import Case, setting_name
from dev.conformance.seen import Seen
from roadtrain import torchvision_cpu


def see(root: Path, cases: Sequence[Case]) -> None:
    """cosmos-rl/ of every case, from root/<setting>.toml: the passes of its first epoch, a clip each."""
    torchvision_cpu.ensure()
    from cosmos_rl.policy.config import Config

    from roadtrain.train.cosmos.data import QuestionDataset, SequencePacker, StepSampler

    for setting in dict.fromkeys(case.setting for case in cases):
        text = (root / f"{setting_name(setting)}.toml").read_text(encoding="utf-8")
        config = Config.from_dict(copy.deepcopy(tomllib.loads(text)))
        packer, dataset = SequencePacker(), QuestionDataset(config)
        packer.setup(config)
        sampler = StepSampler(dataset, num_replicas=1, rank=0)
        packer.follow(sampler)
        names = {case.clip: case.name for case in cases if case.setting == setting}
        for batch in sampler:
            for question, seen in pack(packer, [dataset[planned] for planned in batch]):
                seen.save(root / "cosmos-rl", names.pop(question))
        if names:
            raise ValueError(f"{setting}: not in the first epoch: {', '.join(names)}")


def pack(packer: Any, batch: list[Any]) -> Iterator[tuple[str, Seen]]:
    """(question, what the model's forward is called with) of each pass of a step, in the order of calls of cosmos-rl's trainer. The
    answer at its end is no part of the prompt."""
    for number in range(packer.batch_size(batch)):
        passes = packer.slice_batch(batch, number, number + 1)
        longest = packer.sft_compute_max_len(passes)
        inputs = packer.sft_collate_fn(passes, computed_max_len=longest, ignore_label_id=-100)
        (entry,) = (packer.entries[n] for n in passes[0].entries)
        ids = inputs["input_ids"][0].cpu().numpy()
        prompt = ids[: len(ids) - len(packer.prompter.segment(entry).answer_ids)]
        pixels, grid = inputs["pixel_values_videos"].float().cpu().numpy(), inputs["video_grid_thw"].cpu().numpy()
        yield entry.id, Seen(np.asarray(prompt), pixels, grid)
