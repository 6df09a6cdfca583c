"""What is frozen reaches cosmos-rl as patterns that match just that."""

import re
import tomllib

import pytest

from roadtrain.cli import UserError
from roadtrain.model.parts import PARTS, part_of
from roadtrain.spec.parts import PATTERNS
from roadtrain.train.cosmos import schema
from roadtrain.train.cosmos.patterns import check_freeze_patterns
from support import tiny
from support.run_toml import render_settings


@pytest.fixture(scope="module")
def weights():
    return [name for name, _ in tiny.model("float32").named_parameters(remove_duplicate=False)]


@pytest.mark.parametrize("part", PARTS)
def test_a_parts_pattern_matches_its_weights_and_no_others(part, weights):
    """Also with what cosmos-rl writes in front of a name."""
    for prefix in ("", "model."):
        assert {name for name in weights if re.search(PATTERNS[part], prefix + name)} == {
            name for name in weights if part_of(name) == part
        }


def test_frozen_parts_are_rendered_as_cosmos_rl_reads_them(weights, tmp_path):
    text = render_settings({"engine": "cosmos-rl", "freeze": ["vision", "embeddings"]})
    toml = tomllib.loads(text)
    assert toml["policy"]["freeze_pattern"] == [PATTERNS["vision"], PATTERNS["embeddings"]]
    if schema.installed_version():
        assert schema.toml_mistakes(toml) == []
    (tmp_path / "sft.toml").write_text(text)
    check_freeze_patterns(tmp_path / "sft.toml", lambda: weights)
    assert "freeze_pattern" not in render_settings({"engine": "cosmos-rl"})


@pytest.mark.parametrize(
    "patterns, says",
    [
        (r"['visual\.', '^visual_tower\.']", r"'\^visual_tower.*matches no weight of the base"),
        ("['visual(']", "not a regular expression"),
        ("['.']", "nothing is left to train"),
    ],
)
def test_a_pattern_that_does_nothing_is_an_error(patterns, says, weights, tmp_path):
    (tmp_path / "x.toml").write_text(f"[policy]\nfreeze_pattern = {patterns}\n")
    with pytest.raises(UserError, match=rf"x\.toml: policy\.freeze_pattern: .*{says}"):
        check_freeze_patterns(tmp_path / "x.toml", lambda: weights)
