"""docs/conformance.md, the ways that need no other environment: training, evaluation, qwen-vl-utils, stock transformers."""

import json

import numpy as np
import pytest

from dev.conformance import by_stock, by_us, clips, comparing, page
from dev.conformance.seen import Seen, pictures
from roadtrain.frames.index import FrameIndex
from roadtrain.model.loading import load_processor
from support import tiny
from support.programs import ROOT


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """{(clip, setting, way): what the comparison says} at a hundredth of the pixels."""
    root = tmp_path_factory.mktemp("ways")
    clips.make_clips(root / "media", clips.FAST)
    cases = clips.cases(clips.FAST, clips.TINY)
    by_us.write_questions(root, cases)
    by_us.decode(root, cases)
    by_us.see(root, tiny.BASE, cases)
    by_stock.see(root, tiny.BASE, cases)
    tokenizer = load_processor(tiny.BASE).tokenizer
    result = {}
    for case in cases:
        training = Seen.load(root / "training", case.name)
        for way in ("evaluation", "recipe", "transformers"):
            seen = Seen.load(root / way, case.name)
            result[case.clip, case.setting, way] = comparing.compare(case, seen, training, tokenizer)
    return root, cases, result


def of_way(cells, way: str) -> dict[tuple[str, str], dict]:
    return {(clip, setting): cell for (clip, setting, of), cell in cells[2].items() if of == way}


def test_evaluation_sees_what_training_saw(cells):
    found = of_way(cells, "evaluation")
    assert len(found) == 2 * len(clips.FAST) and all(cell["equal"] and cell["letters"] == 0 for cell in found.values())


def test_the_recipes_way_differs_for_what_decord_shows_wrongly_and_for_nothing_else(cells):
    different = {clip for (clip, _), cell in of_way(cells, "recipe").items() if not cell["equal"]}
    assert different == {"variable", "edit-list"}


def test_stock_transformers_has_the_tokens_of_nframes_and_other_pixels_by_rounding(cells):
    cell = of_way(cells, "transformers")["plain", "nframes 8"]
    assert cell["tokens_equal"] and cell["frames_equal"] and cell["size_equal"] and not cell["equal"]
    assert 0 < cell["pixels"]["mean"] < 0.5


def test_stock_transformers_has_no_windows_and_no_other_frame_for_an_odd_number(cells):
    found = of_way(cells, "transformers")
    assert found["window", "nframes 8"]["problem"] == "has no windows"
    odd = found["odd-count", "fps 1"]
    assert not odd["tokens_equal"] and len(odd["frames"]) == 10 and len(odd["times"]) == 5


def test_patches_are_put_together_to_the_frames_of_the_cache(cells):
    """What says which frame was seen reads the right pictures."""
    root, cases, _ = cells
    for case in cases:
        frames = FrameIndex.load(clips.index_file(root, case)).read(by_us.clip_of(case)).media[0].frames
        shown = pictures(Seen.load(root / "evaluation", case.name))
        assert np.abs(shown - frames.permute(0, 2, 3, 1).numpy()).max() < 1e-3


@pytest.mark.parametrize("size", [(320, 240), (96, 64), (321, 241), (128, 96)])
def test_a_picture_carries_its_number(size):
    assert [clips.number_of(clips.picture(number, size)) for number in (0, 1, 255, 511, 1023)] == [0, 1, 255, 511, 1023]


def test_a_black_picture_is_no_proof_of_anything_but_its_own_number():
    assert clips.number_of(np.zeros((64, 96, 3), np.uint8)) == 0


def test_the_tables_of_the_page_are_those_of_its_json():
    result = json.loads((ROOT / "docs/figures/conformance.json").read_text())
    text = (ROOT / "docs/conformance.md").read_text()
    assert page.tables(result) in text


def test_every_way_says_what_it_ran_and_every_case_has_every_way():
    result = json.loads((ROOT / "docs/figures/conformance.json").read_text())
    ways = {way for case in result["cases"] for way in case["ways"]}
    assert ways == set(page.NAMES) and all(case["ways"].keys() == ways for case in result["cases"])
    assert {case["clip"] for case in result["cases"]} >= set(clips.CLIPS) and set(result["software"]) >= {
        "server",
        "us",
    }
