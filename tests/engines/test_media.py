"""Several media an entry: the pixels of qwen-vl-utils, the tokens of the processor's own chat template, and the losses of
separate sequences."""

import numpy as np
import pytest

from roadtrain.data.llava import read_questions, write_entries
from roadtrain.data.question import Turn
from roadtrain.media import Clip, Medium
from roadtrain.model.prompts import Prompter
from support import tiny
from support.conversations import CONVERSATIONS, VISION, conversation, decode_entries, entry, render_media
from support.losses import PADDED, compute_exactly, difference, losses_and_gradients, separate_sequences

SYSTEM = "You are a helpful assistant."
pytestmark = pytest.mark.usefixtures("torchvision")


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    compute_exactly(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """(folder, index, {name of the conversation: its entries})."""
    root = tmp_path_factory.mktemp("media")
    render_media(root / "media")
    index = decode_entries(
        root,
        [
            entry(n, **media, conversations=conversation(*turns))
            for n, (media, turns, _) in enumerate(CONVERSATIONS.values())
        ],
    )
    questions = {name: [] for name in CONVERSATIONS}
    for one in read_questions(root / "x.llava.json"):
        questions[list(CONVERSATIONS)[int(one.id.split("#")[0][1:])]].append(one)
    return root, index, questions


@pytest.fixture(scope="module")
def prompter():
    return Prompter(tiny.processor(), SYSTEM)


@pytest.fixture
def reference(data, prompter, monkeypatch):
    """A conversation as users of Qwen3-VL write it: apply_chat_template, process_vision_info, processor."""
    from qwen_vl_utils import vision_process

    monkeypatch.setattr(vision_process, "FORCE_QWENVL_VIDEO_READER", "decord")
    vision_process.get_video_reader_backend.cache_clear()

    def batch(turns: list):
        def content(part: str) -> dict:
            if not (data[0] / "media" / part).is_file():
                return {"type": "text", "text": part}
            path = str(data[0] / "media" / part)
            if part.endswith("mp4"):
                return {"type": "video", "video": path} | VISION
            return {
                "type": "image",
                "image": path,
                "min_pixels": VISION["min_pixels"],
                "max_pixels": VISION["max_pixels"],
            }

        messages = [{"role": "system", "content": SYSTEM}]
        for turn in turns:
            human = isinstance(turn, list)
            messages.append(
                {"role": "user", "content": [*map(content, turn)]} if human else {"role": "assistant", "content": turn}
            )
        text = prompter.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        images, videos, _ = vision_process.process_vision_info(
            messages, image_patch_size=16, return_video_kwargs=True, return_video_metadata=True
        )
        video_options = {}
        if videos:
            video_options = {
                "videos": [v for v, _ in videos],
                "video_metadata": [m for _, m in videos],
                "do_sample_frames": False,
            }
        return prompter.processor(text=[text], images=images, do_resize=False, return_tensors="pt", **video_options)

    return batch


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_tokens_pixels_and_positions_are_the_processors_own(data, prompter, reference, name):
    import torch

    from roadtrain.model.sequences import build

    _, index, questions = data
    last, model = questions[name][-1], tiny.model("float32")
    batch = reference(CONVERSATIONS[name][2])
    sequence = build(
        [(prompter.prefix(index.read(last.clip)), [prompter.segment(last)])],
        model.config.video_token_id,
        answers=False,
    )
    assert sequence.input_ids.tolist() == batch["input_ids"][0].tolist()
    for ours, key in (
        (sequence.pixels, "pixel_values_videos"),
        (sequence.image_pixels, "pixel_values"),
        (sequence.grid, "video_grid_thw"),
        (sequence.image_grid, "image_grid_thw"),
    ):
        assert torch.equal(ours, batch[key]) if key in batch else len(ours) == 0
    grids = {key: batch[key] for key in ("image_grid_thw", "video_grid_thw") if key in batch}
    positions, _ = model.model.get_rope_index(
        batch["input_ids"],
        mm_token_type_ids=batch["mm_token_type_ids"],
        attention_mask=batch["attention_mask"],
        **grids,
    )
    assert torch.equal(positions[:, 0], sequence.position_ids)
    assert (
        prompter.processor.tokenizer.decode(
            sequence.input_ids[len(prompter.prefix(index.read(last.clip)).input_ids) :]
        ).count("<|vision_end|>")
        == 0
    )


def test_every_turn_is_an_entry_and_sees_only_what_was_shown_before_it(data):
    first, second, third, fourth = data[2]["later turns"]
    assert [e.answer for e in (first, second, third, fourth)] == ["A box.", "Too.", "No.", "Blue."]
    assert first.clip == Clip((Medium("v.mp4"),)) and third.clip == second.clip != fourth.clip
    assert third.history == (Turn("And", "Too."),) and (second.history, fourth.history) == ((), ())
    one, two, three = data[2]["text after"]
    assert one.clip == two.clip == three.clip and [e.text for e in (one, two, three)] == ["", "Colours?", "Sure?"]
    (between,) = data[2]["between words"]
    assert between.text == "First <image>, then <image>. Same?" and between.prompt == ". Same?"


def test_letters_of_pictures_are_options():
    from roadtrain.data.llava import _questions

    human = "Which is red?\nA: <image>\nB: <image>"
    (question,) = _questions(entry(0, image=["a.png", "b.png"], conversations=conversation(human, "B")))
    assert question.options == {"A": "<image>", "B": "<image>"} and question.text == "Which is red?"


@pytest.mark.parametrize("path", ["dense", "segments", "flex"])
@pytest.mark.parametrize("name", ["picture", "between words", "both kinds", "later turns", "text after"])
def test_questions_that_share_media_have_the_losses_of_separate_sequences(data, prompter, name, path):
    from roadtrain.model import attention
    from roadtrain.model.sequences import build

    _, index, questions = data
    last = questions[name][-1]
    entries = [question for clip in questions.values() for question in clip][
        :4
    ]  # any questions: a segment is its words
    model, prefix = tiny.model("float64"), prompter.prefix(index.read(last.clip))
    attention.set_attention(model, path)
    segments = [prompter.segment(one) for one in (last, *entries)]
    together = losses_and_gradients(
        model, [build([(prefix, segments)], model.config.video_token_id).padded(PADDED[path])]
    )
    apart = separate_sequences("float64", [(prefix, segments)])
    assert np.isfinite(together[1]) and abs(together[1] - apart[1]) <= 1e-12 * abs(apart[1])
    assert difference(together[0], apart[0]) <= 1e-12
    biggest = max(g.abs().max() for g in apart[2].values())
    assert (
        max(
            ((together[2][n] - g).abs().max() / g.abs().max().clamp_min(biggest * 1e-3)).item()
            for n, g in apart[2].items()
        )
        <= 1e-11
    )


def test_clips_of_every_kind_in_one_sequence(data, prompter):
    from roadtrain.model.sequences import build

    _, index, questions = data
    model = tiny.model("float64")
    clips = [
        (prompter.prefix(index.read(group[-1].clip)), [prompter.segment(group[-1])]) for group in questions.values()
    ]
    together = losses_and_gradients(model, [build(clips, model.config.video_token_id)])
    apart = separate_sequences("float64", clips)
    assert difference(together[0], apart[0]) <= 1e-12 and abs(together[1] - apart[1]) <= 1e-12 * abs(apart[1])


def test_preflight_counts_the_tokens_that_are_trained_on(data, prompter):
    """Before anything is decoded, from headers and the tokenizer alone."""
    from roadtrain.train.preflight.media import plan_clips
    from roadtrain.train.preflight.tokens import prefix_tokens, question_tokens, tokenizer_of

    root, index, questions = data
    run_of = type("Run", (), {"media": str(root / "media"), "vision": VISION})
    entries = [question for clip in questions.values() for question in clip]
    plans, count = plan_clips(run_of, entries), tokenizer_of(str(tiny.BASE))
    for one in entries:
        plan, fps = plans[one.clip]
        clip, segment = index.read(one.clip), prompter.segment(one)
        assert prefix_tokens(plan, fps, count, SYSTEM) == len(prompter.prefix(clip).input_ids)
        assert question_tokens(one, count) == len(segment.prompt_ids + segment.answer_ids)
        assert plan.vision_tokens == clip.vision_tokens


@pytest.mark.parametrize(
    ("media", "turns", "says"),
    [
        ({"image": ["a", "b"]}, ["<image> what?", "x"], "expected 2 times <image>, found 1"),
        ({"image": "a", "video": "v"}, ["<image> what?", "x"], "expected 1 times <video>, found 0"),
        ({"image": []}, ["what?", "x"], "key 'video' is missing"),
    ],
)
def test_media_and_placeholders_that_do_not_agree(tmp_path, media, turns, says):
    write_entries(tmp_path / "x.json", [entry(0, **media, conversations=conversation(*turns))])
    with pytest.raises(ValueError, match=f"x.json: entry 0: .*{says}"):
        list(read_questions(tmp_path / "x.json"))
