"""What is exported says how positions are encoded in the words of transformers 4.57, too: it refuses a model without them."""

import json
import shutil

from roadtrain.model.loading import load_model
from roadtrain.train.export import export_checkpoint
from support import tiny


def test_an_exported_checkpoint_has_the_words_of_both_releases(tmp_path):
    export_checkpoint(tmp_path / "epoch_1", load_model(str(tiny.BASE), "float32"), tiny.processor())
    config, base = (json.loads((path / "config.json").read_text()) for path in (tmp_path / "epoch_1", tiny.BASE))
    rope = config["text_config"]["rope_parameters"]
    assert config["text_config"]["rope_scaling"] == base["text_config"]["rope_scaling"]
    assert config["text_config"]["rope_theta"] == rope["rope_theta"] == base["text_config"]["rope_theta"]


def test_a_model_that_was_exported_is_exported_again_alike(tmp_path):
    """transformers 5 reads a config with the words of both."""
    model, processor = load_model(str(tiny.BASE), "float32"), tiny.processor()
    export_checkpoint(tmp_path / "a", model, processor)
    export_checkpoint(tmp_path / "b", load_model(str(tmp_path / "a"), "float32"), processor)
    first, second = ((tmp_path / name / "config.json").read_bytes() for name in "ab")
    assert first == second
    shutil.rmtree(tmp_path / "a")
