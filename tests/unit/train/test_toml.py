"""The TOML says what the spec means, whatever strings are in it; what is missing in one is named."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from render_toml import toml_value
from roadtrain.train import toml_config


@given(
    st.one_of(
        st.text(),
        st.integers(-(2**62), 2**62),
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(st.text()),
    )
)
def test_any_value_survives(value):
    if isinstance(value, str):
        value = value.encode("utf-8", "ignore").decode()  # lone surrogates are no text
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_a_missing_key_names_file_and_key(tmp_path):
    (tmp_path / "x.toml").write_text("[policy]\n")
    with pytest.raises(ValueError, match=r"x\.toml: policy\.model_name_or_path is missing"):
        toml_config.read_train_run(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_text("[policy\n")
    with pytest.raises(ValueError, match=r"x\.toml: not valid TOML"):
        toml_config.read_train_run(tmp_path / "x.toml")
