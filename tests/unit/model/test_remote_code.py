"""No engine runs code that a model brings along, be it a program or a pickle."""

import pickle

import pytest

from roadtrain.cli import UserError
from roadtrain.deploy.serving import setting_of
from roadtrain.model.loading import load_model, load_processor, locate
from roadtrain.model.remote_code import refuse_code


@pytest.fixture
def model(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen3_vl"}')
    return tmp_path


def test_a_model_without_code(model):
    refuse_code(model)
    assert locate(str(model)) == model


@pytest.mark.parametrize("load", [locate, load_processor, load_model])
@pytest.mark.parametrize("file", ["config.json", "processor_config.json", "tokenizer_config.json"])
def test_a_configuration_that_names_code(model, load, file):
    (model / file).write_text('{"auto_map": {"AutoConfig": "evil.Config"}}')
    with pytest.raises(UserError, match=f"brings its own code .auto_map in {file}.*remove it"):
        load(str(model))


@pytest.mark.parametrize("load", [locate, load_processor, load_model])
def test_a_directory_with_programs(model, load):
    (model / "evil.py").write_text(f"open({str(model / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match="brings its own code .evil.py.*"):
        load(str(model))
    assert not (model / "ran").exists()


class Evil:
    """What a pickle may do when it is read."""

    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return open, (self.file, "w")


@pytest.mark.parametrize("load", [locate, load_processor, load_model, setting_of])
@pytest.mark.parametrize("file", ["pytorch_model.bin", "consolidated.00.pth"])
def test_weights_that_are_a_pickle_are_never_read(model, load, file):
    (model / file).write_bytes(pickle.dumps(Evil(model / "ran")))
    with pytest.raises(
        UserError, match=rf"its weights are a pickle .{file}., which can run code.*only \*\.safetensors"
    ):
        load(str(model))
    assert not (model / "ran").exists()


def test_a_pickle_beside_safetensors_is_passed_over(model):
    """As hubs have them: both forms of the same weights."""
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(model / "ran")))
    (model / "model.safetensors").touch()
    refuse_code(model)
    with pytest.raises(Exception, match="safetensors|[Hh]eader"):  # transformers tries the empty file, not the pickle
        load_model(str(model))
    assert not (model / "ran").exists()
