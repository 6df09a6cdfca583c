"""vLLM's plugin: what the model is given is written into the folder $ROADTRAIN_RECORD, a file a call.

<time>.prompt.npz: the prompt's tokens, when a request comes; <time>.video.npz: what Qwen3-VL's vision tower is given. With this folder on
PYTHONPATH vLLM finds it, in a server's processes as in a program's own; nothing else of vLLM is changed.
"""

import os
import time
from pathlib import Path
from typing import Any


def register() -> None:
    """Called by vLLM in each of its processes."""
    from vllm.model_executor.models.qwen3_vl import Qwen3VLForConditionalGeneration as Model
    from vllm.v1.core.sched.scheduler import Scheduler

    embed, add = Model.embed_multimodal, Scheduler.add_request

    def embed_multimodal(self: Any, **inputs: Any) -> Any:
        if (pixels := inputs.get("pixel_values_videos")) is not None:
            pixels = pixels.reshape(-1, pixels.shape[-1])
            # vLLM gives bytes and has folded the processor's rescaling and normalizing into the first layer.
            pixels = pixels.float() if pixels.is_floating_point() else (pixels.float() / 255 - 0.5) / 0.5
            _write("video", pixels=pixels.cpu().numpy(), grid=inputs["video_grid_thw"].reshape(-1, 3).cpu().numpy())
        return embed(self, **inputs)

    def add_request(self: Any, request: Any) -> None:
        _write("prompt", ids=list(request.prompt_token_ids or []))
        add(self, request)

    Model.embed_multimodal, Scheduler.add_request = embed_multimodal, add_request


def _write(kind: str, **arrays: Any) -> None:
    """Whole, or not at all."""
    import numpy as np

    path = Path(os.environ["ROADTRAIN_RECORD"], f"{time.time_ns()}.{kind}.npz")
    with path.with_suffix(".part").open("wb") as file:
        np.savez(file, **arrays)
    path.with_suffix(".part").rename(path)
