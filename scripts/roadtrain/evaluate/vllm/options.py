"""What vLLM is told, wherever it is started: by an evaluation, as a server, in a container. Needs no vLLM, and no PyTorch."""

from collections.abc import Mapping
from typing import Any


def vllm_options(
    max_length: int, gpus: int, media: Mapping[str, int] | None = None, kv_cache_gib: float | None = None
) -> dict[str, Any]:
    """Keyword arguments of vllm.LLM, the same for evaluation and for the server; a CPU when `gpus` is 0.

    `media`: how many videos and images a prompt may have (one video). vLLM refuses more, and sets memory aside for so many.
    `kv_cache_gib`: GiB for keys and values where others use the GPU, too; None: vLLM takes nearly all of a GPU's memory.
    """
    most: dict[str, int] = {"video": 0, "image": 0, **(media or {"video": 1})}
    options = {"max_model_len": max_length, "limit_mm_per_prompt": most, "seed": 0, "enable_prefix_caching": True}
    if gpus:
        # With a size of its own vLLM doesn't measure what is free, which fails where another process gives memory back.
        shared = (
            {"kv_cache_memory_bytes": int(kv_cache_gib * 2**30), "gpu_memory_utilization": 0.01} if kv_cache_gib else {}
        )
        return options | {"dtype": "auto", "tensor_parallel_size": gpus} | shared
    # float32 as the local engine; blocks of 128 tokens, a CPU's default, swallow the prefix of a short video; nothing
    # is compiled: that takes longer than the questions.
    return options | {"dtype": "float32", "block_size": 32, "enforce_eager": True}
