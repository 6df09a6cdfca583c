"""A model directory may bring Python code that libraries run when they load it. Ours is Qwen3-VL's code in transformers."""

from pathlib import Path

from roadtrain.cli import UserError


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


def _maps(config: Path) -> bool:
    """Whether a configuration names classes to import."""
    return config.is_file() and '"auto_map"' in config.read_text(encoding="utf-8", errors="replace")
