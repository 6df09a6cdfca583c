"""What cosmos-rl's trainer is given is what local training and evaluation see (docs/conformance.md), to the bit: windows, odd sizes, odd files."""

import pytest

from support.matrix import CLIPS, run_matrix
from support.real_cosmos_rl import needs_cosmos_rl

pytestmark = needs_cosmos_rl


@pytest.mark.parametrize("setting", ["nframes 8", "fps 1"])
def test_the_packer_gives_trainings_tokens_and_pixels(setting, tmp_path):
    cells = run_matrix(tmp_path, "cosmos", setting=setting)["cosmos-rl"]
    assert set(cells) == set(CLIPS) and all(cell["equal"] for cell in cells.values()), cells
