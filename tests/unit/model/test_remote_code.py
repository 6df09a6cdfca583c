"""No engine runs code that a model brings along."""

import pytest

from roadtrain.cli import UserError
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
