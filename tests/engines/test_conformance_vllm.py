"""What vLLM's model is given, offline and by its HTTP server, is what training saw (docs/conformance.md): tokens, frames, pixels to the bit.

The recorder (scripts/dev/conformance/recorder) writes down what really reaches the scheduler and the vision tower.
"""

import pytest

from support.matrix import CLIPS, run_matrix
from support.real_vllm import needs_vllm

pytestmark = needs_vllm


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """fps, where a server's own reader differs most."""
    return run_matrix(tmp_path_factory.mktemp("matrix"), "vllm", "server", setting="fps 1")


def test_offline_it_is_trainings_to_the_bit(ways):
    assert all(cell["equal"] for cell in ways["vllm"].values()) and set(ways["vllm"]) == set(CLIPS)
    assert max(cell["letters"] for cell in ways["vllm"].values()) < 1e-4


def test_a_server_of_serve_py_that_is_given_the_file_shows_trainings_frames_to_the_bit(ways):
    """Also where OpenCV shows others, and where fps gives an odd number."""
    cells = dict(ways["serve.py"])
    assert cells.pop("window") == {"equal": False, "problem": "HTTP has no windows"}
    assert all(cell["equal"] for cell in cells.values()), cells
    assert max(cell["letters"] for cell in cells.values()) < 1e-4


def test_frames_with_their_metadata_are_trainings_to_the_bit_windows_too(ways):
    assert all(cell["equal"] for cell in ways["server-metadata"].values())


def test_frames_as_a_video_have_trainings_pixels_and_a_windows_times_begin_at_its_beginning(ways):
    """docs/conformance.md says so: a video has no other clock than its own."""
    cells = ways["server-frames"]
    assert all(cell["frames_equal"] and cell["pixels"]["largest"] == 0 for cell in cells.values()), cells
    assert not cells["window"]["times_equal"] and cells["window"]["times"][0] < "1"


def test_the_servers_own_reader_differs_where_the_page_says(ways):
    cells, training = ways["server"], ways["training"]
    assert (
        cells["odd-count"]["size"][0] == training["odd-count"]["size"][0] + 2
    )  # nine frames, the last one twice, not eight
    assert not cells["variable"]["frames_equal"]
    assert cells["plain"]["frames_equal"] and cells["plain"]["times_equal"]
