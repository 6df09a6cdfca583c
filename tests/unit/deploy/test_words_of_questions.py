"""A question that is typed is asked by the very prompt of training."""

import argparse

import pytest

from roadtrain.cli import UserError
from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.deploy.words_of_questions import QuestionWords, question_of, questions_of_file, questions_of_words


def typed(*words):
    parser = argparse.ArgumentParser()
    for option in ("--question", "--options"):
        parser.add_argument(option, action=QuestionWords)
    return questions_of_words(parser.parse_args(words).questions)


@pytest.mark.parametrize("text", ["What is the weather?", "Which tag, <video> or <audio>?", "天气怎么样？"])
def test_the_prompt_is_the_one_that_conversion_writes(tmp_path, text):
    options = {"A": "Sunny", "B": "Rainy: wet", "C": "don't know"}
    about = {"id": "q", "scenario": "s", "video": "v.mp4", "type": "t", "phase": "p", "answer": "A"}
    human = multiple_choice(text, options)
    write_entries(tmp_path / "x.json", [entry_json(human=human, question=text, options=options, **about)])
    (trained,) = read_questions(tmp_path / "x.json")
    (question,) = typed("--question", f" {text} ", "--options", "Sunny | Rainy: wet|don't know")
    assert (question.prompt, question.options, question.text) == (trained.prompt, trained.options, trained.text)


def test_options_belong_to_the_question_before_them():
    questions = typed("--question", "One?", "--question", "Two?", "--options", "x|y", "--question", "What then?")
    assert [question.options for question in questions] == [{}, {"A": "x", "B": "y"}, {}]
    assert [question.prompt for question in questions][0::2] == ["One?", "What then?"]


def test_a_list_that_stands_in_the_question_is_read_and_left_as_it_is():
    (question,) = typed("--question", "Which?\nA: one\nB: two")
    assert question.options == {"A": "one", "B": "two"} and question.prompt == "Which?\nA: one\nB: two"


@pytest.mark.parametrize("words", [["--options", "a|b"], ["--question", "q", "--options", "a|b", "--options", "c|d"]])
def test_options_without_a_question_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        typed(*words)
    assert "belongs behind its --question, once" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, options, words",
    [
        (" ", None, "the question is empty"),
        ("q", "Sunny", "1 options: give 2 to 26"),
        ("q", "|".join(map(str, range(27))), "27 options: give 2 to 26"),
        ("q", "a||b", "an option is empty"),
        ("q", "Sunny|sunny", "say the same"),
        ("q", "A: Sunny|B: Rainy", "letter"),
        ("q", "b) Sunny|a) Rainy", "letter"),
    ],
)
def test_what_is_no_question_is_named(text, options, words):
    with pytest.raises(UserError, match=words) as caught:
        question_of(text, options, "questions.txt: line 3")
    assert "\n" not in str(caught.value) and "questions.txt: line 3" in str(caught.value)


def test_a_file_has_a_question_a_line(tmp_path):
    file = tmp_path / "q.txt"
    file.write_bytes("\ufeffWhat happens?\r\n\r\nWeather? | Sunny | Rainy\r\n".encode())
    assert [(q.text, q.options) for q in questions_of_file(str(file))] == [
        ("What happens?", {}),
        ("Weather?", {"A": "Sunny", "B": "Rainy"}),
    ]
    file.write_text("One?\nTwo? | a\n")
    with pytest.raises(UserError, match=r"q\.txt: line 2: .*1 options"):
        questions_of_file(str(file))
    file.write_text("\n")
    with pytest.raises(UserError, match=r"q\.txt: no question"):
        questions_of_file(str(file))


def test_only_an_end_of_line_ends_a_line(tmp_path):
    (tmp_path / "q.txt").write_text("Which\u2028sign\x85then? | a | b\n")
    (question,) = questions_of_file(str(tmp_path / "q.txt"))
    assert question.text == "Which\u2028sign\x85then?" and question.options == {"A": "a", "B": "b"}
