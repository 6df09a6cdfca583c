"""What the Hugging Face hub will ask for, said before anything is fetched. Imports nothing of the hub's."""

import os
from pathlib import Path


def needs_token(model: str) -> bool:
    """Whether a gated model (NVIDIA's) would have to be fetched and there is no token of Hugging Face."""
    gated = not Path(model).exists() and model.startswith("nvidia/")
    return gated and not os.environ.get("HF_TOKEN") and not (Path.home() / ".cache/huggingface/token").exists()
