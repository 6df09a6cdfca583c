"""Two checkpoints are compared by the questions that both were asked."""

from roadtrain.evaluate.predictions import NOT_ASKED, Prediction
from roadtrain.results.comparisons import compare


def prediction(number: int, response: str | None) -> Prediction:
    return Prediction(
        id=f"q{number}",
        video="v.mp4",
        scenario=f"s{number}",
        question="Q",
        options={"A": "x", "B": "y"},
        response=response,
        correct="A",
        answer=response,
        rule="alone" if response else NOT_ASKED,
        first_capital=response,
    )


def test_a_question_that_was_not_asked_is_no_wrong_answer():
    a = [prediction(n, "A") for n in range(8)]
    b = [prediction(n, "A" if n < 6 else None) for n in range(8)]
    (pair,) = compare({("x", "epoch_1"): a, ("y", "epoch_1"): b}, samples=100)["pairs"]
    assert (pair["questions"], pair["not_in_both"], pair["difference"]) == (6, 2, 0)
    assert pair["b"]["accuracy"] == 1
