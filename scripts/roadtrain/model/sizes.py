"""Published sizes: the parts of a config.json that memory, operations and benchmarks depend on, of models that needn't be here.

Cosmos-Reason2 is post-trained Qwen3-VL of the same sizes (config.json of Qwen3-VL-2B-, 4B- and 8B-Instruct).
"""

from typing import Any

TEXT: dict[str, Any] = {
    "head_dim": 128,
    "num_key_value_heads": 8,
    "vocab_size": 151936,
    "max_position_embeddings": 262144,
}
VISION: dict[str, Any] = {
    "num_heads": 16,
    "num_position_embeddings": 2304,
    "in_channels": 3,
    "patch_size": 16,
    "temporal_patch_size": 2,
    "spatial_merge_size": 2,
}
_SMALL_TOWER: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "depth": 24,
    "deepstack_visual_indexes": [5, 11, 17],
}
ROPE: dict[str, Any] = {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"}
ROPE_THETA = 5e6

_SIZES: dict[str, dict[str, Any]] = {
    "2B": {
        "text_config": TEXT
        | {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16},
        "vision_config": VISION | _SMALL_TOWER | {"out_hidden_size": 2048},
        "tie_word_embeddings": True,
    },
    "4B": {
        "text_config": TEXT
        | {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32},
        "vision_config": VISION | _SMALL_TOWER | {"out_hidden_size": 2560},
        "tie_word_embeddings": True,
    },
    "8B": {
        "text_config": TEXT
        | {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32},
        "vision_config": VISION
        | {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "depth": 27,
            "out_hidden_size": 4096,
            "deepstack_visual_indexes": [8, 16, 24],
        },
        "tie_word_embeddings": False,
    },
}
CONFIGS: dict[str, dict[str, Any]] = {
    **{f"Qwen/Qwen3-VL-{size}-Instruct": config for size, config in _SIZES.items()},
    **{f"nvidia/Cosmos-Reason2-{size}": _SIZES[size] for size in ("2B", "8B")},
}
