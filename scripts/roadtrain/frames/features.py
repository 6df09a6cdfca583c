"""Vision features beside the frames: what a frozen vision tower makes of a medium, computed once.

    cache/features/<2 hex>/<key>.safetensors     beside cache/frames; one a medium, vision setting and tower

The key is a hash of all that decides the numbers: the frames, the tower's weights, the processor, the number type, the
code. So other frames or another tower are other files, and what is there is never wrong, only unused. A file holds a
tensor a level, "0", "1", .. (model/features.py says which), and its source. No rule owns the folder: delete it at will.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roadtrain.cli import UserError
from roadtrain.files import sha256_json, whole_file

GIB = 2**30


def features_file(frames_file: str | Path, source: dict[str, Any]) -> Path:
    """Where the features lie that are made from `source`; `frames_file`: the medium's file in the frame cache."""
    key = sha256_json(source)[:32]
    return Path(frames_file).parents[1].with_name("features") / key[:2] / f"{key}.safetensors"


def write_features(path: Path, levels: Sequence[Any], source: dict[str, Any]) -> None:
    """Tensors of one medium. The file appears when it is whole; two jobs may write the same at once."""
    import torch
    from safetensors.torch import save

    # Copies: two levels may be one tensor (a tower whose last block is a deepstack level, too), which safetensors refuses.
    tensors = {
        str(number): level.cpu().clone(memory_format=torch.contiguous_format) for number, level in enumerate(levels)
    }
    data = save(tensors, metadata={"source": json.dumps(source, sort_keys=True)})
    with whole_file(path, "wb") as stream:
        stream.write(data)


def read_features(path: Path, rows: int) -> list[Any]:
    """The tensors of one medium, each of so many rows. Raises ValueError when the file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as tensors:
            levels = [tensors.get_tensor(str(number)) for number in range(len(tensors.keys()))]
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole file of vision features ({error}): delete it") from None
    if any(len(level) != rows for level in levels):
        raise ValueError(f"{path}: {len(levels[0])} rows of vision features, and the medium has {rows}: delete it")
    return levels


def check_room(file: Path, needed: int) -> None:
    """Raises UserError when `needed` bytes more don't fit the disk of `file`. A tenth of them must stay free."""
    folder = next(folder for folder in file.absolute().parents if folder.exists())
    free = shutil.disk_usage(folder).free
    if 1.1 * needed > free:
        raise UserError(
            f"{file.parents[1]}: vision features take {needed / GIB:.2f} GiB, and {free / GIB:.2f} are free:"
            " make room (or train with train.cache_features: off from the start)"
        )
