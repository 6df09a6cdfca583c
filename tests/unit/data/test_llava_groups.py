"""What a LLaVA file says of groups, windows, ids and options in a line is used, or refused: never left aside in silence."""

import pytest

from roadtrain.data.option_lists import read_option_list
from support.refusals import entry, llava, refused


@pytest.mark.parametrize(
    ("more", "group", "unread"),
    [
        ({"category": "signs"}, "signs", {}),
        ({"question_type": "signs"}, "signs", {}),
        ({"category": "signs", "question_type": "signs"}, "signs", {}),
        ({"category": "x", "group": "signs"}, "signs", {"category": 1}),
        ({"category": "x", "type": "signs"}, "signs", {"category": 1}),
        ({"question_type": "x", "type": "signs"}, "signs", {"question_type": 1}),
    ],
)
def test_a_category_is_the_group_or_the_audit_counts_it(more, group, unread, tmp_path):
    (written,), audit = llava(tmp_path, [entry(**more)])
    (task,) = audit["splits"]["train"]["tasks"].values()
    assert written["group"] == group and task["unread_keys"] == unread


def test_two_names_of_two_groups_are_refused(tmp_path):
    line = refused(llava, tmp_path, [entry(category="a", question_type="b")])
    assert line == "[0].question_type: says another group than 'category'; keep one of the two, or write 'group'"


@pytest.mark.parametrize(
    "window", [{"video_end": 0}, {"video_start": 0, "video_end": 0}, {"video_start": 3, "video_end": 3}]
)
def test_a_window_without_length_is_refused(window, tmp_path):
    assert "expected video_end after video_start, found " in refused(llava, tmp_path, [entry(**window)])


@pytest.mark.parametrize("id", ["a ", " a", " a "])
def test_ids_that_differ_by_blanks_are_one(id, tmp_path):
    assert refused(llava, tmp_path, [entry(id="a"), entry(id=id)]) == "[1]: duplicate id a: the first is at [0]"


@pytest.mark.parametrize(
    "line",
    ["A. Red, B. Green; C. Blue", "A. Red, B. Green C. Blue", "A. Red; B. Green| C. Blue", "A. Red B. Green, C. Blue"],
)
def test_options_in_a_line_that_are_separated_in_two_ways_are_doubtful(line):
    reading = read_option_list(f"What colour?\n{line}", "A")
    assert reading.options == {} and "marked as options are" in reading.doubt


@pytest.mark.parametrize("line", ["A. Red, B. Green, C. Blue", "A. Red; B. Green; C. Blue", "A. Red B. Green C. Blue"])
def test_options_in_a_line_that_are_separated_in_one_way_are_options(line):
    assert read_option_list(f"What colour?\n{line}", "A").options == {"A": "Red", "B": "Green", "C": "Blue"}
