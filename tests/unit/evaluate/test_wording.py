"""How long an answer may be: long enough for the right one, where it counts word for word."""

import pytest

from roadtrain.data.question import Question
from roadtrain.data.sources.records import CAPTION_GROUPS
from roadtrain.evaluate.wording import check_open_answers
from roadtrain.media import Clip, Medium
from roadtrain.spec.evaluate import Evaluate

LONG = "It goes from left to right and stops"  # eight words


def question(answer=LONG, id="q7", **more) -> Question:
    clip = Clip((Medium("v.mp4"),))
    return Question(
        id=id, scenario="s", clip=clip, type="t", phase="full_video", text="?", prompt="?", answer=answer, **more
    )


def words(question: Question) -> int:
    return len(question.answer.split())


def test_a_right_answer_that_no_response_could_be_is_named_before_anything_is_asked():
    """Cut off, every response to it counted as wrong without a word."""
    longest = question(f"{LONG} there", id="q9")
    with pytest.raises(
        ValueError, match=r"^evaluate.max_new_tokens: 7: .* open question q9 has 9 tokens.* say 9 or more"
    ):
        check_open_answers([question("Red"), question(), longest, question()], Evaluate(max_new_tokens=7), words)
    check_open_answers([question(), longest], Evaluate(max_new_tokens=9), words)


def test_the_reasonings_limit_is_that_of_whole_responses():
    reasoning = Evaluate(max_new_tokens=1, reasoning={"max_new_tokens": 16})
    check_open_answers([question()], reasoning, words)
    with pytest.raises(ValueError, match=r"^evaluate.reasoning.max_new_tokens: 16: "):
        check_open_answers([question(" ".join([LONG] * 3))], reasoning, words)


def test_options_are_read_from_their_first_words_and_texts_have_scores_of_their_own():
    caption = question(group=next(iter(CAPTION_GROUPS.values())))
    choice = question(f"A: {LONG}", options={"A": LONG, "B": "x"})
    check_open_answers([caption, choice, question(kind="text")], Evaluate(max_new_tokens=2), words)
