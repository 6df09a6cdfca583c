"""A response is read when it states an answer: what it supposes, doubts, asks or denies is none, alike for every letter."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.data.answer_statements import Statements
from roadtrain.data.answers import read_answer

OPTIONS = {"A": "Sunny", "B": "Rainy", "C": "One side", "D": "Both sides"}
DIRECTIONS = {"A": "Left", "B": "Right", "C": "Straight"}
NUMBERS = {"A": "1", "B": "2", "C": "3"}

# What public models write beside a letter alone, X for it and ¶ for its option's text: {form: the rule that reads it}.
PUBLIC_FORMS = {
    # chat templates that were not followed, and tokens of other ones
    "ASSISTANT: X": "alone",
    "Assistant: The answer is X": "named",
    "### Response:\nX": "alone",
    "### Answer\nX": "alone",
    "X<|endoftext|>": "alone",
    "[/INST] X</s>": "alone",
    "<|begin_of_box|>X<|end_of_box|>": "alone",
    "[[X]]": "alone",
    # reasoning models
    "◁think▷A or C? Rain..◁/think▷X": "alone",
    "<|channel|>analysis<|message|>Is it A?<|end|><|start|>assistant<|channel|>final<|message|>X<|return|>": "alone",
    "<CONCLUSION> X </CONCLUSION>": "tag",
    "### Final Answer\n\\boxed{X}": "boxed",
    "Final Answer: The final answer is $\\boxed{X}$": "boxed",
    "Hmm, wait. <think>no</think>The answer is **X**.": "named",
    # Qwen-VL, InternVL, LLaVA, GPT
    "The correct answer is **X) ¶**.": "named",
    "The correct answer is:\n\n**X. ¶**": "named",
    "Best option: (X)": "named",
    "Among the given options, X is the most appropriate answer.": "named",
    "Based on the wet road, I would choose option X: ¶.": "named",
    "Option X: ¶": "named",
    "My answer is X.": "named",
    "I'd say X": "named",
    "It's option X.": "named",
    "Sure! The answer is X.": "named",
    "Thus, X is correct.": "named",
    "The person may be walking. X": "last line",
    "Wipers are moving, hence X.": "named",
    "Although I could not see the sun, the answer is X": "named",
    "I can't see the sun, so it's X": "named",
    "No clear evidence, but X seems right": "named",
    "It is not bright. It is ¶.": "option text",
    # other languages
    "答案为X": "named",
    "因此，正确答案是X。": "named",
    "路面湿。故选X": "named",
    "X选项": "named",
    "答：X": "named",
    "「X」が正解です": "leading",
    "선택: 정답은 X입니다": "named",
    "La respuesta correcta es X.": "named",
    "Die richtige Antwort ist X.": "named",
    "La bonne réponse est X": "named",
}


@pytest.mark.parametrize("form", PUBLIC_FORMS)
def test_forms_of_public_models_are_read_alike_for_every_letter(form):
    for letter in string.ascii_uppercase:
        options = OPTIONS | {letter: "Foggy"}
        text = form.replace("X", letter).replace("¶", "Foggy")
        assert read_answer(text, options) == (letter, PUBLIC_FORMS[form]), text


# X is mentioned, and not stated: unread, whatever the letter.
NOT_STATED = [
    "If the answer was X, we'd see the sun.",
    "If it is (X), the road would be dry",
    "Suppose it was X.",
    "Assuming that it rains, the answer is X",
    "Unless it is (X)",
    "X, if it rains",
    "X if it rains",
    "The answer is X, if I see it rightly",
    "It isn't clear whether it's X",
    "It isn't clear whether it's ¶",
    "I'm not sure if it's X",
    "The answer might be X",
    "The answer could be (X).",
    "It may be ¶",
    "Perhaps X",
    "I don't know. Possibly (X)",
    "Maybe ¶",
    "Let's consider option X:",
    "Let me check (X). The sky",
    "Is it X?",
    "Could it be (X)? No.",
    "Is it ¶?",
    "I don't think it's ¶",
    "I do not believe that it is (X)",
    "The answer is not X",
    "X is wrong",
    "(X) is unlikely",
    "(X) might fit",
    "¶ is unlikely",
    "¶ is wrong",
    "I cannot tell whether it is (X)",
    "It is hard to say if (X) fits",
    "<answer>not sure if X</answer>",
    "答案不是X",
    "可能是X",
    "如果答案是X",
    "Xではない",
]


@pytest.mark.parametrize("form", NOT_STATED)
def test_what_is_supposed_doubted_asked_or_denied_is_no_answer(form):
    for letter in string.ascii_uppercase:
        text = form.replace("X", letter).replace("¶", "Foggy")
        assert read_answer(text, OPTIONS | {letter: "Foggy"}) == (None, "not stated"), text


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("If the answer was A, we'd see sun. Rainy.", "B"),
        ("If it was A, the sun would shine; it doesn't, so the answer is B.", "B"),
        ("B\nIf it was A, the sky would be blue.", "B"),
        ("The answer might be A. The answer is B.", "B"),
        ("A is wrong, B is wrong, so C", "C"),
        ("We can't see (A). (B) is it.", "B"),
        ("答案不是A，是B", "B"),
        ("答案不是A，而是B。", "B"),
        ("Aではなく、Bです", "B"),
        ("It could be (A) or (B)", None),
        ("If it is sunny, the answer is A; if rainy, B.", None),
        ('{"answer": "A", "answer": "B"}', None),
    ],
)
def test_what_is_stated_beside_it_is_the_answer(text, letter):
    assert read_answer(text, OPTIONS).letter == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The right answer is Left", "A"),
        ("The right option is right", "B"),
        ("The correct answer is straight.", "C"),
        ("The answer is left because the right lane is closed", "A"),
        ("The right answer isn't there", None),
        ("The answer is left. Actually, right.", None),
        ("Left is right", None),
    ],
)
def test_words_that_frame_an_answer_are_no_option(text, letter):
    assert read_answer(text, DIRECTIONS).letter == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("1. The car", None),
        ("(1) The car", None),
        ("1. The car\n2. The bus\n3. A van", None),
        ("Step 1: look at the road", None),
        ("Option 2", None),
        ("Step 1: look at the road. 3 cars", "C"),
        ("1.", "A"),
        ("(2)", "B"),
        ("There are 2.", "B"),
    ],
)
def test_a_number_that_numbers_something_is_no_quantity(text, letter):
    assert read_answer(text, NUMBERS).letter == letter


@given(st.text(alphabet="if mightbe?.,;\nnotAB so", min_size=1, max_size=200), st.integers(0, 199))
def test_another_line_changes_nothing_before_it(text, place):
    text = text.strip() or "A"
    place = min(place, len(text) - 1)
    alone, followed = Statements(text + "\n"), Statements(text + "\nIf not, it might be B?")
    assert alone.states(place, place + 1) == followed.states(place, place + 1)
