"""What a finished run exported may be handed on as it is."""

import pytest

from support.programs import run_program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("checkpoint", ["small/nframes8", "small/nframes8/epoch_1", "small/fps2/fp8"])
def test_every_exported_checkpoint_has_a_card_and_may_be_handed_on(finished, tmp_path, checkpoint):
    """The sample's licences are said, and its files and hashes are in order; of so few scenarios the gate can't tell."""
    process = run_program("push.py", checkpoint, to=tmp_path / "new", yes=True, cwd=finished)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "new/config.json").is_file() and (tmp_path / "new/model.safetensors").is_file()
    assert (tmp_path / "new/README.md").read_text().startswith("---\nlicense: apache-2.0\n")
