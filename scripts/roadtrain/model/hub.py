"""What the Hugging Face hub will ask for, said before anything is fetched. Imports nothing of the hub's."""

import os
from pathlib import Path


def name_and_revision(model: str) -> tuple[str, str | None]:
    """(name on the hub, revision) of a model as the spec names it: `name`, or `name@revision`, a branch, a tag or a commit. A
    folder whose name has an @ is a folder."""
    name, at, revision = model.partition("@")
    return (name, revision) if at and not os.path.exists(model) else (model, None)


def download_command(model: str) -> str:
    """What fetches it, for people."""
    name, revision = name_and_revision(model)
    return f"hf download {name}" + (f" --revision {revision}" if revision else "")


def terms_page(model: str) -> str:
    """Where the terms of a gated model are accepted."""
    return f"https://huggingface.co/{name_and_revision(model)[0]}"


def needs_token(model: str) -> bool:
    """Whether a gated model (NVIDIA's) would have to be fetched and there is no token of Hugging Face."""
    gated = not Path(model).exists() and model.startswith("nvidia/")
    return gated and not os.environ.get("HF_TOKEN") and not (Path.home() / ".cache/huggingface/token").exists()
