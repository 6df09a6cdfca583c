"""A checkpoint's config.json in the words of both releases of transformers: 5 writes `rope_parameters` and nothing else, and 4.57
(cosmos-rl's, and many a server's) reads `rope_theta` and `rope_scaling`, and refuses a model without them."""

from pathlib import Path

from roadtrain.files import read_json, write_json


def note_rope(config: Path) -> None:
    """Say in a config.json how positions are encoded in both releases' words. Without `rope_parameters` nothing changes."""
    value = read_json(config)
    rope = value["text_config"].get("rope_parameters")
    if not rope:
        return
    value["text_config"] |= {
        "rope_theta": rope["rope_theta"],
        "rope_scaling": {key: item for key, item in rope.items() if key != "rope_theta"},
    }
    write_json(config, value)
