"""What a server and a client have to know about a checkpoint: its setting, and how to say it to vLLM.

A server samples and resizes videos itself. vLLM's own reader is OpenCV. Told the setting that the checkpoint was trained with, it takes
the same frames at the same size where `vision` has nframes; with fps it may take one frame more or less, because qwen-vl-utils
rounds to an even number; and it shows other moments of some files. So serve.py gives vLLM this project's reader (a plugin,
evaluate/vllm/startup): then frames, sizes and times are training's. For other servers a client that knows the vision setting
sends just the frames that training saw (roadtrain.deploy.sent_video). docs/conformance.md has what differs where.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from roadtrain.cli import UserError
from roadtrain.data.llava import videos_a_prompt
from roadtrain.deploy.named_checkpoints import find_manifest, folder_of_manifest, run_of_manifest
from roadtrain.deploy.server_words import media_options, server_words, volume
from roadtrain.frames.jobs import Reader
from roadtrain.model import adapters
from roadtrain.model.remote_code import refuse_code
from roadtrain.paths import Paths
from roadtrain.spec.arguments import vision_setting
from roadtrain.spec.data import Data
from roadtrain.spec.resolved import VisionSettings, read_resolved
from roadtrain.spec.train import Train

ServerReader = Literal["roadtrain", "vllm"]  # who reads videos in a server: this project's plugin, or vLLM's own

SYSTEM_PROMPT = Data().system_prompt
MAX_LENGTH = Train().model_max_length


@dataclass(frozen=True)
class CheckpointSetting:
    """A checkpoint and what it was trained with."""

    path: Path  # the Hugging Face directory
    name: str
    vision: VisionSettings | None  # None: not known
    system_prompt: str = SYSTEM_PROMPT
    reader: Reader = "pyav"  # who decoded what it was trained on
    max_length: int = MAX_LENGTH  # tokens of a prompt with its answer
    conversations: tuple[Path, ...] = ()  # of its run, where they are here

    def videos_a_prompt(self) -> int:
        """How many a server must take: as many as the run's data have, or one. Pictures it takes none: vLLM has one `size` for both
        kinds, and would resize a picture by a video's limits."""
        return max(1, videos_a_prompt(self.conversations))


def setting_of(checkpoint: str, vision: str | None = None) -> CheckpointSetting:
    """`checkpoint` is a directory, a checkpoint's manifest (JSON), or its name: RUN/ABLATION, RUN/ABLATION/CHECKPOINT
    (named_checkpoints.py). Of one of a run that is here, the run's spec.json says the rest. `vision` (JSON) comes first.
    Raises UserError for what is no checkpoint, or brings code."""
    manifest: Path | None = Path(checkpoint) if checkpoint.endswith(".json") else None
    if manifest is None and not _is_model(Path(checkpoint)):
        if Path(checkpoint).is_dir() and not Path(Paths(checkpoint.split("/")[0]).spec).exists():
            raise UserError(f"{checkpoint}: no config.json: not a Hugging Face model directory")
        manifest = find_manifest(checkpoint)
    path = Path(checkpoint)
    if manifest is not None:
        manifest, path = folder_of_manifest(manifest)
    if not _is_model(path):
        raise UserError(f"{path}: no config.json: not a Hugging Face model directory")
    refuse_code(path)  # vLLM would read a pickle
    place = run_of_manifest(manifest) if manifest else None
    setting = _setting_of_its_run(path, place or _run_of_folder(path)) or CheckpointSetting(
        path, path.name, vision=None
    )
    return replace(setting, vision=vision_setting(vision)) if vision else setting


def _is_model(path: Path) -> bool:
    return (path / "config.json").exists() or adapters.is_adapter(path)


def _run_of_folder(path: Path) -> tuple[Path, str, str] | None:
    """(folder of results/ and weights/, run, ablation) of weights/<run>/<ablation>/<checkpoint>; None elsewhere."""
    parts = path.absolute().parts
    return (Path(*parts[:-4]), parts[-3], parts[-2]) if len(parts) > 4 and parts[-4] == "weights" else None


def _setting_of_its_run(path: Path, place: tuple[Path, str, str] | None) -> CheckpointSetting | None:
    """None for a checkpoint of no run that is here."""
    if place is None:
        return None
    root, run, ablation = place
    spec_file = root / Paths(run).spec
    if not spec_file.exists():
        return None
    resolved = read_resolved(spec_file)
    system_prompt = resolved["spec"]["data"]["system_prompt"]
    frames = resolved["spec"].get("frames")
    reader: Reader = frames["reader"] if frames else "decord"  # the only one until 0.2
    files = (root / Paths(run).llava(split) for split in ("train", "val", "test"))
    conversations = tuple(file for file in files if file.exists())
    if ablation not in resolved["ablations"]:
        return CheckpointSetting(path, path.name, None, system_prompt, reader, conversations=conversations)
    settings = resolved["ablations"][ablation]
    most = settings["train"]["model_max_length"]
    return CheckpointSetting(path, path.name, settings["vision"], system_prompt, reader, most, conversations)


def plugin_options(setting: CheckpointSetting) -> dict[str, dict[str, Any]]:
    """A setting as --media-io-kwargs and --mm-processor-kwargs for this project's reader: it has done all. By `size` vLLM knows how
    much room the longest video takes. (Where pictures were taken, too, the processor would have to resize.)"""
    assert setting.vision is not None
    reading = {"video_backend": "roadtrain", "vision": setting.vision, "reader": setting.reader}
    processor = {"size": volume(setting.vision), "do_sample_frames": False, "do_resize": False}
    return {"media_io": {"video": reading}, "processor": processor}


def server_command(
    setting: CheckpointSetting,
    engine_options: Mapping[str, Any],
    host: str,
    port: int,
    served_name: str | None = None,
    media_folder: str | None = None,
    reader: ServerReader = "roadtrain",
) -> list[str]:
    """Arguments of a Python that has vLLM: its OpenAI server. (`vllm serve` isn't there in the CPU build.)

    `engine_options`: keyword arguments of vllm.LLM. `media_folder`: file:// URLs below it are taken too. `reader`: who reads videos,
    where the vision setting is known.
    """
    model = _model_options(setting.path, served_name or setting.name)
    media = None
    if setting.vision:
        media = plugin_options(setting) if reader == "roadtrain" else media_options(setting.vision)
    return server_words(model, media, engine_options, host, port, media_folder)


def _model_options(path: Path, name: str) -> dict[str, Any]:
    """A checkpoint under this name; an adapter under it beside its base, which keeps its own."""
    if not adapters.is_adapter(path):
        return {"model": str(path), "served-model-name": name}
    adapters.check_language_only(path)
    module = json.dumps({"name": name, "path": str(path.absolute())})
    return {
        "model": str(adapters.checked_base(path)),
        "served-model-name": adapters.base_of(path),
        "enable-lora": True,
        "lora-modules": module,
        "max-lora-rank": adapters.vllm_rank(adapters.adapter_rank(path)),
    }


def gpus_here() -> int:
    """1 where there is an NVIDIA GPU, else 0: the CPU."""
    return int(any(Path("/dev").glob("nvidia[0-9]*")))
