"""What could be options, marked otherwise than by letters from A on, is doubtful where the answer is such a mark."""

import pytest

from roadtrain.data.option_lists import read_option_list

OTHER_LISTS = [  # (list, answer): marked otherwise than by letters from A on, with the mark as the answer
    ("А: Красный\nБ: Зелёный", "Б"),
    ("А) Красный Б) Зелёный", "Б) Зелёный"),
    ("α) x\nβ) y", "β"),
    ("ア. 赤\nイ. 青", "イ"),
    ("甲、红\n乙、绿", "乙"),
    ("가. 빨강\n나. 파랑", "나"),
    ("أ) أحمر\nب) أخضر", "ب"),
    ("א. אדום\nב. ירוק", "ב"),
    ("क) लाल\nख) हरा", "(ख)"),
    ("① red\n② blue", "②"),
    ("Ⓐ red\nⒷ blue", "Ⓑ"),
    ("i) red\nii) blue", "ii"),
    ("I. red\nII. blue", "II."),
    ("1 - red\n2 - blue", "2"),
    ("[1] red\n[2] blue", "Option 2"),
    ("3: red\n4: blue", "4"),
]


@pytest.mark.parametrize(("marked", "answer"), OTHER_LISTS)
def test_a_mark_of_any_alphabet_as_the_answer_is_doubtful(marked, answer):
    """They were open questions without a word: no letter probabilities, chance 0."""
    reading = read_option_list(f"What is it?\n{marked}\nAnswer.", answer)
    assert reading.options == {} and "could be options" in reading.doubt
    assert not read_option_list(f"What is it?\n{marked}\nAnswer.", "Something else").doubt


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Is it raining?\nYes: it rains\nNo: it doesn't", "Yes"),
        ("At 10: a car. At 20: a bus. When was the bus?", "30"),
        ("It is a car. Is it red. Say so", "red"),
        ("Read 'A: stop' aloud", "1"),
    ],
)
def test_a_word_or_number_that_marks_nothing_is_an_open_answer(prompt, answer):
    assert read_option_list(prompt, answer).doubt == ""
