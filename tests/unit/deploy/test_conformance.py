"""scripts/conformance.py: a server that shows the model something else is found out, as far as it can be from outside."""

import json
from dataclasses import replace

import numpy as np
import pytest

from roadtrain.deploy.client import Client
from roadtrain.deploy.conformance import Comparing, compare_server, report_in_words, text_is_the_same
from roadtrain.deploy.serving import setting_of
from roadtrain.deploy.words_of_questions import question_of
from roadtrain.evaluate.asking import Asker
from roadtrain.workers import JobLimits
from support import tiny
from support.chat_server import Chat, chat_server
from support.clips import render
from support.programs import run_program

VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}
QUESTION = question_of("Is it day or night?", "Day|Night", "x")
SETTING = setting_of(str(tiny.BASE), json.dumps(VISION))
COMPARING = Comparing(QUESTION, ("file", "frames"), 0.02, JobLimits(60, 4_000_000_000))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return render(tmp_path_factory.mktemp("conformance") / "a.mp4", frames=30)


@pytest.fixture(scope="module")
def asker():
    return Asker(tiny.BASE, SETTING.system_prompt)


@pytest.fixture(scope="module")
def truth(video, asker):
    """The prompt's tokens and the log-probabilities of its letters, by the code that evaluates."""
    from roadtrain.deploy.conformance import truth_of

    here = truth_of(SETTING, asker, video, COMPARING)
    return here.ids, {letter: float(np.log(share)) for letter, share in here.probabilities.items()}


def compare(video, asker, chat: Chat, *ways: str) -> list[dict]:
    with chat_server(chat):
        comparing = replace(COMPARING, ways=ways or COMPARING.ways)
        return compare_server(Client(chat.url), SETTING, asker, [video], comparing)


def test_a_server_that_says_the_same_is_equal_in_both_ways(video, asker, truth):
    ids, logprobs = truth
    reports = compare(video, asker, Chat(prompt=ids, logprobs=logprobs))
    for one in reports:
        assert one["equal"] and one["same_tokens"] and one["tokens"] == one["server_tokens"] == len(ids)
        assert one["difference"] < 1e-4 and one["times"] == one["server_times"] != []
    assert [one["sent"] for one in reports] == ["file", "frames"]
    assert report_in_words(reports[0]).startswith(f"the {len(ids)} tokens of training; probabilities differ by 0.0000")


def test_another_text_without_media_is_another_tokenizer_or_template(asker):
    processor = asker.prompter.processor
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": QUESTION.prompt}]
    ids = processor.tokenizer(processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    for tokens, same in ((ids["input_ids"], True), (ids["input_ids"][:-1], False)):
        with chat_server(Chat(prompt=tokens)) as chat:
            assert text_is_the_same(Client(chat.url), asker, QUESTION, "s") is same
    with chat_server(Chat(prompt=[1], says_tokens=False)) as chat:
        assert text_is_the_same(Client(chat.url), asker, QUESTION, "s") is None


@pytest.mark.parametrize("change", ["longer", "other times", "probabilities"])
def test_what_differs_is_said(video, asker, truth, change):
    ids, logprobs = list(truth[0]), dict(truth[1])
    if change == "longer":
        ids += ids[-1:]
    elif change == "other times":
        digits = {d: asker.tokenizer.convert_tokens_to_ids(str(d)) for d in range(10)}
        at = next(n for n, token in enumerate(ids) if token in digits.values())
        ids[at] = digits[9] if ids[at] != digits[9] else digits[8]
    else:
        logprobs = dict(zip(logprobs, [-0.01, -4.6], strict=True))
    (one,) = compare(video, asker, Chat(prompt=ids, logprobs=logprobs, says_tokens=change != "longer"), "file")
    assert not one["equal"]
    if change == "longer":
        assert one["server_tokens"] == one["tokens"] + 1 and one["same_tokens"] is None
    elif change == "other times":
        assert one["same_tokens"] is False and one["server_times"] != one["times"]
    else:
        assert one["same_tokens"] and one["difference"] > 0.02


def test_the_program_says_it_in_a_line_and_fails(video, truth):
    ids, logprobs = truth
    with chat_server(Chat(prompt=[*ids, 5], logprobs=logprobs, says_tokens=False)) as chat:
        options = {"checkpoint": tiny.BASE, "video": video, "vision": json.dumps(VISION), "send": "file"}
        process = run_program("conformance.py", chat.url, **options)
    first, second = process.stdout.splitlines()
    assert first == "a text alone: no /tokenize to ask" and process.returncode == 1
    words = f"DIFFERS {video}, the file: {len(ids) + 1} tokens, {len(ids)} in training: another size or number"
    assert second.startswith(words)


def test_a_refusal_is_a_difference_with_its_reason(video, asker):
    (one,) = compare(video, asker, Chat(status=400, error='{"error": {"message": "no video"}}'), "file")
    assert not one["equal"] and one["refused"].endswith("400 no video") and report_in_words(one).startswith("refused: ")


def test_a_server_that_says_nothing_is_not_equal(video, asker):
    """Nothing was compared: that is no proof."""
    with chat_server(Chat(prompt=[])) as chat:
        silent = Client(chat.url)
        silent._server.send = lambda *_: {"choices": [{"message": {"content": "A"}}]}
        (one,) = compare_server(silent, SETTING, asker, [video], replace(COMPARING, ways=("file",)))
    assert not one["equal"] and "nothing to compare" in report_in_words(one)


def test_no_server_is_one_line(video):
    process = run_program(
        "conformance.py", "http://127.0.0.1:9", checkpoint=tiny.BASE, video=video, vision='{"nframes": 4}'
    )
    assert (
        process.returncode == 1
        and process.stderr.strip()
        == "conformance.py: http://127.0.0.1:9: no server answers there; start it, or name its address"
    )
