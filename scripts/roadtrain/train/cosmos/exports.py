"""What cosmos-rl leaves on disk, and what becomes of it.

    weights/<run>/<ablation>/cosmos-rl/<time stamp>/checkpoints/step_<n>/policy/   state to resume from
    weights/<run>/<ablation>/cosmos-rl/<time stamp>/safetensors/step_<n>/          weights, as Hugging Face has them
    weights/<run>/<ablation>/epoch_<n>/                                            ours: whole, verified, described

An export keeps its weights; everything beside them is the base model's, byte for byte: training changes none of it, and
transformers 4.57 would write config, processor and chat template in its own way, other than evaluation reads them.
"""

import os
import shutil
from pathlib import Path

from roadtrain.files import read_json, whole_directory
from roadtrain.model.checkpoints import note_dtype

INDEX = "model.safetensors.index.json"


def resume_step(folder: Path, ranks: int) -> int:
    """The step of the last whole state, 0 when there is none: what cosmos-rl will resume from."""
    return max((step for step, path in _states(folder) if _whole_state(path, ranks)), default=0)


def _states(folder: Path) -> list[tuple[int, Path]]:
    return [(int(path.name[5:]), path) for path in folder.glob("*/checkpoints/step_*") if path.name[5:].isdigit()]


def _whole_state(path: Path, ranks: int) -> bool:
    """As cosmos-rl's own ckpt_path_check."""
    marks = [f".rank_{rank}_complete" for rank in range(ranks)]
    return all((path / "policy" / name).exists() for name in ["cosmos_config", *marks])


def forget_states_from(folder: Path, step: int) -> None:
    """Delete the states of `step` and later: an export is missing that only training again can bring back."""
    for state_step, path in _states(folder):
        if state_step >= step:
            shutil.rmtree(path)


def find_export(folder: Path, step: int, base: Path) -> Path | None:
    """The newest whole export of a step. cosmos-rl gives an export its name when it is written; that it is whole is
    checked all the same: the same tensors as the base, each file as long as its header says."""
    for path in sorted(folder.glob(f"*/safetensors/step_{step}"), reverse=True):
        problem = export_damage(path, base)
        if problem is None:
            return path
        print(f"{path}: {problem}: not used", flush=True)
    return None


def export_damage(path: Path, base: Path) -> str | None:
    """What is wrong with an export's weights, compared with the base's; None when nothing is."""
    try:
        exported, expected = read_shapes(path), read_shapes(base)
        index = read_json(path / INDEX) if (path / INDEX).exists() else None
    except (OSError, ValueError) as error:
        return str(error)
    for name in sorted(expected.keys() | exported.keys()):
        if name not in exported or name not in expected:
            if name == "lm_head.weight":
                continue  # tied to the embeddings: written or not
            return f"tensor {name} is only in {base if name in expected else path}"
        if exported[name][1] != expected[name][1]:
            return f"tensor {name} has shape {exported[name][1]}, in {base} {expected[name][1]}"
    if index is not None and "metadata" not in index:
        return f"{INDEX} has no metadata: transformers wouldn't load it"
    if index is not None and index.get("weight_map") != {name: file for name, (file, _) in exported.items()}:
        return f"{INDEX} doesn't name the tensors that are there"
    return None


def read_shapes(path: Path) -> dict[str, tuple[str, list[int]]]:
    """{tensor: (file, shape)} of all safetensors files. Raises ValueError for a file that is cut off, or longer than its
    header says: safetensors reads no header that doesn't cover its file."""
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[str, list[int]]] = {}
    for file in sorted(path.glob("*.safetensors")):
        try:
            with safe_open(file, framework="np") as tensors:
                names = tensors.keys()
                shapes |= {name: (file.name, tensors.get_slice(name).get_shape()) for name in names}
        except SafetensorError as error:
            raise ValueError(f"{file}: not a whole safetensors file: {error}") from None
    if not shapes:
        raise ValueError(f"{path}: no safetensors file")
    return shapes


def make_checkpoint(export: Path, base: Path, target: Path, dtype: str) -> None:
    """Make weights/<run>/<ablation>/epoch_<n> from an export and the base, and load from it what can be loaded without
    the weights. Raises ValueError when it can't be loaded."""
    with whole_directory(target) as directory:
        for file in sorted(base.iterdir()):
            if file.is_file() and file.suffix in (".json", ".jinja", ".txt") and file.name != INDEX:
                shutil.copyfile(file, directory / file.name)
        for file in [*export.glob("*.safetensors"), *export.glob(INDEX)]:
            try:
                os.link(file, directory / file.name)
            except OSError:  # another file system, or one without hard links
                shutil.copyfile(file, directory / file.name)
        note_dtype(directory / "config.json", dtype)
        try:
            _load_all_but_weights(directory)
        except Exception as error:  # whatever transformers raises: the checkpoint is no good
            raise ValueError(f"{export}: can't be loaded: {error}") from None


def _load_all_but_weights(directory: Path) -> None:
    from transformers import AutoConfig

    from roadtrain.model.loading import load_processor

    AutoConfig.from_pretrained(directory, trust_remote_code=False)
    processor = load_processor(directory)
    if processor.tokenizer.convert_tokens_to_ids("<|video_pad|>") is None or not processor.chat_template:
        raise ValueError("no <|video_pad|> in the tokenizer, or no chat template")
