"""A model directory may bring Python code that libraries run when they load it, or weights that are pickles, which are
programs, too. Ours is Qwen3-VL's code in transformers, and weights are safetensors."""

from pathlib import Path

from roadtrain.cli import UserError

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def refuse_code(model: str | Path) -> None:
    """Raises UserError for a directory that brings code to run: a terminal would ask whether to, and cosmos-rl wouldn't.

    What isn't a directory passes: the libraries say what they miss.
    """
    folder = Path(model)
    programs = sorted(file.name for file in folder.glob("*.py"))
    mapped = [
        name for name in ("config.json", "processor_config.json", "tokenizer_config.json") if _maps(folder / name)
    ]
    if programs or mapped:
        brings = ", ".join(programs + [f"auto_map in {name}" for name in mapped])
        raise UserError(
            f"{model}: brings its own code ({brings}), which loading would run: remove it, or use another model"
        )
    pickles = sorted(file.name for file in folder.glob("*") if file.suffix in PICKLES)
    if pickles and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{model}: its weights are a pickle ({pickles[0]}), which can run code when it is read: only *.safetensors are"
            " loaded; convert it where you trust it (safetensors.torch.save_file)"
        )


def _maps(config: Path) -> bool:
    """Whether a configuration names classes to import."""
    return config.is_file() and '"auto_map"' in config.read_text(encoding="utf-8", errors="replace")
