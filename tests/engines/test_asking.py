"""A checkpoint that is asked here answers as the evaluation has it: by the same tokens, with the same probabilities."""

import json

import pytest

from roadtrain.data.llava import PLACEHOLDER, multiple_choice, read_questions, write_entries
from roadtrain.deploy.ask import VideoQuestions, ask_checkpoint, clip_of_files, server_video
from roadtrain.deploy.serving import setting_of
from roadtrain.evaluate import generation
from roadtrain.evaluate.asking import Asker, lone_question
from roadtrain.frames.alone import Reading, read_alone
from roadtrain.frames.index import FrameIndex
from roadtrain.workers import JobLimits
from support import tiny
from support.captions import WORDS
from support.clips import decode, render
from support.evaluation import VISION

pytestmark = pytest.mark.slow

OPTIONS = {"A": "one", "B": "two", "C": "three"}
TEXTS = ["What is seen here?", "Which is it?"]


@pytest.fixture(scope="module")
def setting():
    return setting_of(str(tiny.BASE), json.dumps(VISION))


@pytest.fixture(scope="module")
def asker(setting):
    return Asker(setting.path, setting.system_prompt)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return render(tmp_path_factory.mktemp("ask") / "a b.mp4", frames=12)


def test_many_questions_are_one_forward_of_the_clip_and_as_asked_alone(asker, monkeypatch):
    clip, forwards = tiny.clip(), []
    real = generation.answer_logits  # the pass over the clip; what follows is a token a question
    monkeypatch.setattr(generation, "answer_logits", lambda *a, **k: forwards.append(1) or real(*a, **k))
    questions = [*(lone_question(text, OPTIONS) for text in TEXTS), lone_question(WORDS[0])]
    together = asker.ask(clip, questions, 6)
    assert len(forwards) == 1
    alone = [asker.ask(clip, [question], 6)[0] for question in questions]
    assert [reply.response for reply in together] == [reply.response for reply in alone]
    for one, other in zip(together, alone, strict=True):
        assert (one.probabilities is None) == (other.probabilities is None)
        for letter in one.probabilities or {}:
            assert one.probabilities[letter] == pytest.approx(other.probabilities[letter], abs=2e-5)
    forwards.clear()
    streams = [("".join(pieces), reply()) for pieces, reply in asker.stream(clip, questions, 6)]
    assert len(forwards) == 1
    assert [(words.strip(), reply) for words, reply in streams] == [(reply.response, reply) for reply in together]


def test_the_tokens_are_those_of_training(asker):
    (trained,) = tiny.entries(1, ragged=False)
    question = lone_question(trained.text, trained.options)
    assert asker.prompter.segment(question).prompt_ids == asker.prompter.segment(trained).prompt_ids
    assert multiple_choice(trained.text, trained.options).endswith(question.prompt)


def test_letters_add_up_and_are_told(setting, video):
    request = VideoQuestions([str(video)], [lone_question(TEXTS[0], OPTIONS)], None, 4, stream=False)
    (answer,) = ask_checkpoint(setting, request, JobLimits(60, 4_000_000_000))
    whole = answer.whole()
    assert whole["options"] == OPTIONS and sum(whole["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert whole["letter"] in {None, *OPTIONS}


def test_several_videos_are_one_prompt_as_in_training(asker, setting, tmp_path):
    """data.views: together: the tokens and the answer are those of the conversation."""
    names = ("b.mp4", "a.mp4")
    for number, name in enumerate(names):
        render(tmp_path / "media" / name, frames=12 + 10 * number)
    human = "<video>\n<video>\n" + multiple_choice(TEXTS[1], OPTIONS).removeprefix(PLACEHOLDER).strip()
    turns = [{"from": "human", "value": human}, {"from": "gpt", "value": "A"}]
    entry = {"id": "q", "video": list(names), "conversations": turns, "question": TEXTS[1], "options": OPTIONS}
    write_entries(tmp_path / "x.llava.json", [entry])
    decode(tmp_path, VISION)
    (trained,) = read_questions(tmp_path / "x.llava.json")
    frames = FrameIndex.load(tmp_path / "index.json").read(trained.clip)
    files = [tmp_path / "media" / name for name in names]
    clip = clip_of_files(setting, files, JobLimits(60, 4_000_000_000))
    question = lone_question(TEXTS[1], OPTIONS)
    ids = [
        [*asker.prompter.prefix(c).input_ids.tolist(), *asker.prompter.segment(q).prompt_ids]
        for c, q in ((clip, question), (frames, trained))
    ]
    assert ids[0] == ids[1] and len(clip.media) == 2
    said = []
    request = VideoQuestions([str(file) for file in files], [question], None, 4, stream=False)
    (answer,) = ask_checkpoint(setting, request, JobLimits(60, 4_000_000_000), said.append)
    (reply,) = asker.ask(frames, [trained], 4)
    assert answer.whole()["answer"] == reply.response
    assert said == [*(f"reading {file}" for file in files), f"loading {setting.path}", "looking and answering"]


def test_a_picture_is_asked_about_and_sent_as_training_sees_it(asker, setting, tmp_path):
    import io

    import numpy as np
    from PIL import Image

    shades = np.arange(90 * 130 * 3, dtype=np.uint32).reshape(90, 130, 3) % 251
    Image.fromarray(shades.astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(shades.astype(np.uint8)).save(tmp_path / "a.JPG", quality=90)
    for name in ("a.png", "a.JPG"):
        clip = clip_of_files(setting, [tmp_path / name], JobLimits(60, 4_000_000_000))
        assert [medium.kind for medium in clip.media] == ["image"]
        (reply,) = asker.ask(clip, [lone_question(TEXTS[0], OPTIONS)], 4)
        assert set(reply.probabilities) == set(OPTIONS)
    sent = server_video(tmp_path / "a.png", VISION, Reading())
    assert sent.part["type"] == "image_url" and sent.url.startswith("data:image/png;base64,")
    trained = read_alone(tmp_path / "a.png", VISION, Reading()).frames[0].permute(1, 2, 0).numpy()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(sent.content))), trained)
    plain = server_video(tmp_path / "a.JPG", None, Reading())
    assert plain.kind == "image/jpeg" and plain.content == (tmp_path / "a.JPG").read_bytes()
