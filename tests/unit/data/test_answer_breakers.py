"""Responses that somebody wrote to break the reader: the letter that a human reads, or none where none is stated."""

import pytest

from roadtrain.data.answers import read_answer

WEATHER = {"A": "Sunny", "B": "Rainy", "C": "Snowy", "D": "Foggy"}
YES = {"A": "Yes", "B": "No", "C": "Cannot be determined"}
SHI = {"A": "是", "B": "否"}

STATED = [
    # an option that says a doubt itself
    ("It cannot be determined from the video.", YES, "C"),
    ("You should consider slowing down.", {"A": "Speed up", "B": "Consider slowing down"}, "B"),
    ("The weather is unclear.", {"A": "Clear", "B": "Unclear"}, "B"),
    # words that look like a doubt, a condition or a denial, and are none
    ("There is no doubt that the answer is B", WEATHER, "B"),
    ("Without a doubt it is B", WEATHER, "B"),
    ("Considering all the options, B is the best.", WEATHER, "B"),
    ("If I'm not mistaken, the answer is B.", WEATHER, "B"),
    ("Even if the sky is bright, the answer is B.", WEATHER, "B"),
    ("I suppose the answer is B", WEATHER, "B"),
    ("We can assume that the answer is B", WEATHER, "B"),
    ("If you look at the road, you'll see that it is rainy.", WEATHER, "B"),
    ("I'm not sure, but my best guess is B.", WEATHER, "B"),
    ("The answer is Yes, no obstacle is there.", YES, "A"),
    # forms
    ("B matches the video.", WEATHER, "B"),
    ("B best describes the scene", WEATHER, "B"),
    ("Ans: B", WEATHER, "B"),
    ("I'm going with B", WEATHER, "B"),
    ("The answer\nB", WEATHER, "B"),
    ("Answer:\nB. Rainy", WEATHER, "B"),
    ('{"A": false, "B": true}', WEATHER, "B"),
    ("Die Antwort lautet B.", WEATHER, "B"),
    ("Ich wähle B", WEATHER, "B"),
    ("Je choisis (B).", WEATHER, "B"),
    ("Elijo B", WEATHER, "B"),
    ("私はBを選びます", WEATHER, "B"),
    ("Bにします。", WEATHER, "B"),
    ("AではなくBです。", WEATHER, "B"),
    ("(A) No (B) Yes (C) No", WEATHER, "B"),
    ("A: no. B: no. C: yes.", WEATHER, "C"),
    ("- [ ] A\n- [x] B", WEATHER, "B"),
    ("A: No. B: Yes.", YES, "B"),  # not the options once more: these are A: Yes, B: No
    ("B: No", YES, "B"),
    ("我认为是B", WEATHER, "B"),
    ("正确选项为B", WEATHER, "B"),
    ("是的。", SHI, "A"),
    ("A: Incorrect", {"A": "Incorrect", "B": "Correct"}, "A"),
    ("It is sunny, unlikely to rain", {"A": "Sunny", "B": "Foggy"}, "A"),
]
NOT_STATED = [
    # two options
    ("No, it cannot be determined.", YES),
    ("The answer is sunny or rainy.", WEATHER),
    ("The correct answer is Sunny and Rainy", WEATHER),
    ("The answer is: Sunny / Rainy", WEATHER),
    ("The answer is 1 or 2", {"A": "1", "B": "2"}),
    ("The answer is no or not applicable", {"A": "Yes", "B": "No", "C": "Not applicable"}),
    ("The answer is clear: cloudy", {"A": "Clear", "B": "Cloudy", "C": "Rain"}),
    # what is refused
    ("A: incorrect", WEATHER),
    ("A - incorrect", WEATHER),
    ("A: Sunny (incorrect)", WEATHER),
    ("A. Sunny – ruled out", WEATHER),
    ("A. Sunny - This is unlikely here", WEATHER),
    ("Sunny does not fit", WEATHER),
    ("Sunny weather can be excluded", WEATHER),
    # what is denied
    ("Nothing suggests that it is sunny", WEATHER),
    ("I doubt that the answer is A", WEATHER),
    ("It's far from sunny", WEATHER),
    ("Exclude (A).", WEATHER),
    ("The worst answer is A.", WEATHER),
    ("Es ist nicht sonnig.", {"A": "Sonnig", "B": "Neblig"}),
    ("Kein Nebel.", {"A": "Sonne", "B": "Nebel"}),
    ("Es könnte regnerisch sein", {"A": "Regnerisch", "B": "Klar"}),
    ("雨ではありません。", {"A": "雨", "B": "雪"}),
    ("雨は見られない。", {"A": "雨", "B": "雪"}),
    ("没有雨天", {"A": "雨天", "B": "晴天"}),
    ("不像雨天", {"A": "雨天", "B": "晴天"}),
    ("非晴天", {"A": "雨天", "B": "晴天"}),
    ("路面没有湿", {"A": "湿", "B": "干"}),
    ("这是一辆卡车", SHI),
    ("If it was sunny, the answer is A.", WEATHER),
    ("Aを選びません", WEATHER),
    ("Ich wähle nicht B", WEATHER),
    ("A: no.", WEATHER),
    ("A. No", WEATHER),
    ("A: no, B: no, C: no", WEATHER),
    ("A: yes. B: yes. C: no.", WEATHER),
    ("[x] A\n[x] B\n[ ] C", WEATHER),
    ("A: Yes\nB: No", YES),
]
# A list of the options is none of them; where it says which is right, that one may be read.
LISTS = [
    ("A: Incorrect\nB: Correct\nC: Incorrect\nD: Incorrect", "B"),
    ("A - incorrect\nB - correct\nC - incorrect", "B"),
    ("A: Correct\nB: Incorrect", "A"),
    ("(A) No (B) Yes (C) No", "B"),
    ("A: no. B: no. C: yes.", "C"),
    ("A: Correct, B: Incorrect, C: Incorrect", "A"),
    ("A ✗ B ✓ C ✗", "B"),
    ("[ ] A\n[x] B", "B"),
    ("☐ A. Sunny\n☑ B. Rainy\n☐ C. Snowy", "B"),
    ("Select the correct answer\nA. Sunny\nB. Rainy\nC. Snowy\n\nRainy", "B"),
]


@pytest.mark.parametrize("text, options, letter", STATED)
def test_what_a_human_reads(text, options, letter):
    assert read_answer(text, options).letter == letter


@pytest.mark.parametrize("text, options", NOT_STATED)
def test_what_a_human_does_not_read(text, options):
    assert read_answer(text, options).letter is None


@pytest.mark.parametrize("text, right", LISTS)
def test_a_list_names_no_wrong_option(text, right):
    assert read_answer(text, WEATHER).letter in (None, right)
