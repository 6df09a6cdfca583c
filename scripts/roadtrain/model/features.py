"""A frozen vision tower's outputs, computed once a medium and read for every epoch, evaluation and question.

The cut is where what is trained begins:

    projector   the projector is frozen, too: vision tokens and what each deepstack level adds, [V, D] each
    tower       it is trained: what comes out of the last block and of each deepstack level's, [N, D of the tower] each;
                the mergers are computed in every pass

They are computed a medium at a time by the code of a pass (vision.py), in its number type, and stored as they come: on a
CPU a pass over one video has the same bits with and without them.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from tqdm import tqdm

from roadtrain.files import sha256_code, sha256_json
from roadtrain.frames.cache import read_header
from roadtrain.frames.features import check_room, features_file, read_features, write_features
from roadtrain.frames.index import FrameIndex, FramesRow, row_medium
from roadtrain.media import Clip
from roadtrain.model import vision
from roadtrain.model.bfloat16_products import products_by_float32
from roadtrain.model.checkpoints import package_versions
from roadtrain.model.parts import part_of, projector_is_frozen, tower_is_frozen
from roadtrain.model.prefetch import Prefetched
from roadtrain.model.prompts import Prefix, Prompter

PATCHES = 4  # of a vision token


def cut_of(tower: Any) -> str | None:
    """Where a model's vision features can be cut off: projector, tower, or None: its tower is trained."""
    if not tower_is_frozen(tower):
        return None
    return "projector" if projector_is_frozen(tower) else "tower"


def tower_hash(tower: Any, cut: str) -> str:
    """Of the weights, in the type that they compute in, and of the sizes."""
    digest = hashlib.sha256()
    for name, weight in sorted(tower.state_dict().items()):
        if cut == "projector" or part_of(f"visual.{name}") == "vision":
            digest.update(f"{name} {weight.dtype} {list(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    config = {
        key: value for key, value in tower.config.to_dict().items() if key not in ("dtype", "transformers_version")
    }
    return sha256_json([digest.hexdigest(), config])


class FeatureCache:
    """The features of a split's media under one tower. `tower` is in its type and on its device; `around` is what a pass
    computes in (autocast)."""

    def __init__(
        self,
        tower: Any,
        cut: str,
        prompter: Prompter,
        frames: FrameIndex,
        around: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self.tower, self.cut, self.prompter, self.frames, self.around = tower, cut, prompter, frames, around
        weight = tower.blocks[0].attn.qkv.weight
        self.dtype, self.device = weight.dtype, weight.device
        processor = prompter.processor
        with around():
            kind = self.device.type
            computed = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.dtype
        self._source = {
            "tower": tower_hash(tower, cut),
            "cut": cut,
            "processor": sha256_json([processor.video_processor.to_dict(), processor.image_processor.to_dict()]),
            "dtype": str(computed),
            "device": self.device.type,
            "code": [sha256_code(vision.__file__), sha256_code(__file__)],
            "software": package_versions("torch", "transformers"),
        }
        self._bare: dict[Clip, Prefix] = {}  # without pixels
        self._files: dict[str, Any] = {}  # {file of frames: of its features}

    def fill(self, clips: Iterable[Clip], share: tuple[int, int] = (0, 1), threads: int = 0) -> None:
        """Compute what is missing; `share` (n, of) takes every of-th medium from the n-th. `threads` read ahead. Raises
        UserError when the disk has no room."""
        rows = {row["file"]: row for clip in clips for row in self.frames.rows_of(clip)}
        number, count = share  # of all of them: the others may have written some of theirs already
        mine = [row for row in list(rows.values())[number::count] if not self._file(row).exists()]
        if not mine:
            return
        check_room(self._file(mine[0]), count * sum(map(self.row_bytes, mine)))
        with Prefetched(self._read, mine, threads) as prefixes:
            for row, prefix in zip(
                tqdm(mine, desc="vision features", unit="video", disable=bool(number)), prefixes, strict=True
            ):
                write_features(self._file(row), self.encode(prefix), self._source_of(row))

    def prefix(self, clip: Clip) -> Prefix:
        """A clip's prefix with features in the place of pixels. Raises FileNotFoundError when they are gone."""
        if clip not in self._bare:
            whole = self.prompter.prefix(self.frames.read(clip))
            self._bare[clip] = replace(
                whole, pixels=whole.pixels[:0].clone(), image_pixels=whole.image_pixels[:0].clone()
            )
        kinds: dict[str, list[list[torch.Tensor]]] = {"video": [], "image": []}
        for row in self.frames.rows_of(clip):
            kinds[row.get("kind", "video")].append(read_features(self._file(row), self._rows(row)))
        videos, images = (tuple(map(torch.cat, zip(*media, strict=True))) for media in kinds.values())
        return replace(self._bare[clip], features=videos, image_features=images)

    @torch.no_grad()
    def encode(self, prefix: Prefix) -> list[torch.Tensor]:
        """A medium's prefix -> its features."""
        grid = tuple(map(tuple, torch.cat([prefix.grid, prefix.image_grid]).tolist()))
        pixels = torch.cat([prefix.pixels, prefix.image_pixels]).to(self.device, self.dtype)
        with products_by_float32(self.device), self.around():
            states = vision.hidden_states(self.tower, pixels, grid)
            if self.cut == "tower":
                return states
            tokens, levels = vision.project(self.tower, states)
        return [tokens, *levels]

    def row_bytes(self, row: FramesRow) -> int:
        """Bytes of a medium's features."""
        config = self.tower.config
        width = config.out_hidden_size if self.cut == "projector" else config.hidden_size
        return self._rows(row) * width * (1 + len(config.deepstack_visual_indexes)) * self.dtype.itemsize

    def _rows(self, row: FramesRow) -> int:
        return row["vision_tokens"] * (1 if self.cut == "projector" else PATCHES)

    def _read(self, row: FramesRow) -> Prefix:
        return self.prompter.prefix(self.frames.read(Clip((row_medium(row),))))

    def _source_of(self, row: FramesRow) -> dict[str, Any]:
        return self._source | {"frames": read_header(row["file"])["sha256"], "kind": row.get("kind", "video")}

    def _file(self, row: FramesRow) -> Any:
        if row["file"] not in self._files:
            self._files[row["file"]] = features_file(row["file"], self._source_of(row))
        return self._files[row["file"]]
