"""Pictures and several media an entry: the pixels of qwen-vl-utils, the tokens of the processor's own chat template, and
the losses of separate sequences."""

import json

import numpy as np
import pytest
from test_sequences import PADDED, differ, exact, run, separately  # noqa: F401

from roadtrain.data.llava import read_questions, write_entries
from roadtrain.data.question import Turn
from roadtrain.frames.decoding import decode
from roadtrain.frames.index import FrameIndex
from roadtrain.frames.jobs import decoding_jobs, inspect_video
from roadtrain.media import Clip, Medium
from roadtrain.model.prompts import Prompter
from support import tiny
from support.clips import render
from support.frame_cache import decode_in_process

SYSTEM = "You are a helpful assistant."
VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 17408}


def picture(path, mode: str = "RGB", size: tuple[int, int] = (97, 65), seed: int = 0, **how):
    """Smooth colours with noise, in one of Pillow's modes."""
    from PIL import Image

    width, height = size
    rng = np.random.default_rng(seed)
    channels = {"RGBA": 4, "LA": 2, "L": 1, "1": 1}.get(mode, 3)
    ramp = np.linspace(0, 200, width)[None, :, None] + np.linspace(0, 40, height)[:, None, None]
    pixels = (ramp + rng.integers(0, 16, (height, width, channels))).astype(np.uint8)
    image = Image.fromarray(pixels if channels > 1 else pixels[..., 0]).convert(mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **how)
    return path


def turned():
    """EXIF: shown a quarter turned by viewers; Pillow and qwen-vl-utils don't turn it."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


PICTURES = {
    "rgb.png": {},
    "photo.jpg": {"size": (640, 361)},
    "turned.jpg": {"size": (200, 120), "exif": turned},
    "clear.png": {"mode": "RGBA"},
    "grey.png": {"mode": "L", "size": (33, 150)},
    "palette.gif": {"mode": "P"},
    "print.jpg": {"mode": "CMYK"},
    "grey-clear.png": {"mode": "LA"},
    "bits.png": {"mode": "1"},
    "tiny.png": {"size": (5, 3)},
    "wide.webp": {"size": (700, 50), "lossless": True},
    "large.bmp": {"size": (1300, 1100)},
}
LIMITS = [{"nframes": 8}, {"fps": 1, "total_pixels": 8388608}, VISION, {"nframes": 8, "min_pixels": 300000}]


@pytest.fixture(scope="module", autouse=True)
def torchvision():
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_bit_for_bit_what_qwen_vl_utils_gives(tmp_path, name):
    from qwen_vl_utils import process_vision_info

    how = {key: value() if callable(value) else value for key, value in PICTURES[name].items()}
    path = picture(tmp_path / name, **how)
    (job,) = decoding_jobs([Medium(name, kind="image")], str(tmp_path), tuple(LIMITS), str(tmp_path / "cache"))
    rows = [row for (row,) in decode(inspect_video(job))]
    assert len({row["file"] for row in rows}) == 3, "the first two settings say the same about pictures"
    for setting, row in zip(LIMITS, rows, strict=False):
        element = {"type": "image", "image": str(path)} | {
            k: v for k, v in setting.items() if k in ("min_pixels", "max_pixels")
        }
        (theirs,), _ = process_vision_info([{"role": "user", "content": [element]}], image_patch_size=16)
        value = {"vision": setting, "reader": "decord", "clips": [row], "left_out": []}
        ours = FrameIndex("index", value).read(Clip((Medium(name, kind="image"),))).media[0]
        assert np.array_equal(ours.frames[0].permute(1, 2, 0).numpy(), np.asarray(theirs))
        assert ours.vision_tokens == theirs.width * theirs.height // 1024 and ours.kind == "image"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "unreadable: zero bytes"),
        (b"GIF89a nothing", "unreadable"),
        ((4, 900), "sides may differ"),
    ],
)
def test_a_bad_picture_is_left_out_with_its_reason(tmp_path, content, says):
    good = picture(tmp_path / "media/good.png")
    if isinstance(content, tuple):
        picture(tmp_path / "media/bad.png", size=content)
    elif content is not None:
        (tmp_path / "media/bad.png").write_bytes(content)
    index = decoded(
        tmp_path,
        [
            entry(0, image=good.name, conversations=said("Q?", "A")),
            entry(1, image="bad.png", conversations=said("Q?", "A")),
        ],
    )
    assert len(index) == 1 and says in index.left_out[Medium("bad.png", kind="image")]
    assert says in index.reason(Clip((Medium("bad.png", kind="image"),)))


def said(*texts: str) -> list[dict]:
    return [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


def entry(number: int, **value) -> dict:
    return {"id": f"e{number}", **value}


# id -> media and turns, and how a user of the processor writes the last question: parts of human turns and answers.
CONVERSATIONS = {
    "picture": ({"image": "a.png"}, ["<image>\nWhat?", "Red"], [["a.png", "What?"]]),
    "picture after the words": ({"image": "a.png"}, ["What is it?\n<image>", "Red"], [["a.png", "What is it?"]]),
    "one between words": ({"image": "a.png"}, ["Is <image> red?", "Yes"], [["Is ", "a.png", " red?"]]),
    "two pictures": ({"image": ["a.png", "b.png"]}, ["<image>\n<image>\nSame?", "No"], [["a.png", "b.png", "Same?"]]),
    "between words": (
        {"image": ["a.png", "b.png"]},
        ["First <image>, then <image>. Same?", "No"],
        [["First ", "a.png", ", then ", "b.png", ". Same?"]],
    ),
    "ends with one": (
        {"image": ["a.png", "b.png"]},
        ["Which: <image> or <image>", "This"],
        [["Which: ", "a.png", " or ", "b.png"]],
    ),
    "two videos": ({"video": ["v.mp4", "w.mp4"]}, ["<video><video>Same?", "No"], [["v.mp4", "w.mp4", "Same?"]]),
    "both kinds": (
        {"image": "a.png", "video": ["v.mp4", "w.mp4"]},
        ["<video> and <image> and <video>: where?", "Here"],
        [["v.mp4", " and ", "a.png", " and ", "w.mp4", ": where?"]],
    ),
    "none named": ({"image": "a.png", "video": "v.mp4"}, ["Where?", "Here"], [["a.png", "v.mp4", "Where?"]]),
    "later turns": (
        {"video": "v.mp4", "image": ["a.png", "b.png"]},
        ["<video>\nWhat?", "A box.", "And\n<image>", "Too.", "More?", "No.", "<image>", "Blue."],
        [["v.mp4", "What?"], "A box.", ["a.png", "And"], "Too.", ["More?"], "No.", ["b.png"]],
    ),
    "text after": (
        {"image": ["a.png", "b.png"]},
        ["<image> <image>", "Two.", "Colours?", "Red.", "Sure?", "Yes."],
        [["a.png", "b.png"], "Two.", ["Colours?"], "Red.", ["Sure?"]],
    ),
}


def decoded(root, entries: list[dict]) -> FrameIndex:
    write_entries(root / "x.llava.json", entries)
    command = ["--llava", root / "x.llava.json", "--media", root / "media", "--cache", root / "cache", "--workers", 0]
    assert decode_in_process(*command, "--vision", json.dumps(VISION), "--index", root / "index.json") == 0
    return FrameIndex.load(root / "index.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """(folder, index, {name of the conversation: its entries})."""
    root = tmp_path_factory.mktemp("media")
    picture(root / "media/a.png", size=(150, 90), seed=1)
    picture(root / "media/b.png", size=(70, 130), seed=2)
    render(root / "media/v.mp4", frames=20, seed=3)
    render(root / "media/w.mp4", frames=30, size=(64, 96), seed=4)
    index = decoded(
        root,
        [entry(n, **media, conversations=said(*turns)) for n, (media, turns, _) in enumerate(CONVERSATIONS.values())],
    )
    found = {name: [] for name in CONVERSATIONS}
    for one in read_questions(root / "x.llava.json"):
        found[list(CONVERSATIONS)[int(one.id.split("#")[0][1:])]].append(one)
    return root, index, found


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
        how = {}
        if videos:
            how = {
                "videos": [v for v, _ in videos],
                "video_metadata": [m for _, m in videos],
                "do_sample_frames": False,
            }
        return prompter.processor(text=[text], images=images, do_resize=False, return_tensors="pt", **how)

    return batch


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_tokens_pixels_and_positions_are_the_processors_own(data, prompter, reference, name):
    import torch

    from roadtrain.model.sequences import build

    _, index, found = data
    last, model = found[name][-1], tiny.model("float32")
    batch = reference(CONVERSATIONS[name][2])
    made = build(
        [(prompter.prefix(index.read(last.clip)), [prompter.segment(last)])],
        model.config.video_token_id,
        answers=False,
    )
    assert made.input_ids.tolist() == batch["input_ids"][0].tolist()
    for ours, key in (
        (made.pixels, "pixel_values_videos"),
        (made.image_pixels, "pixel_values"),
        (made.grid, "video_grid_thw"),
        (made.image_grid, "image_grid_thw"),
    ):
        assert torch.equal(ours, batch[key]) if key in batch else len(ours) == 0
    grids = {key: batch[key] for key in ("image_grid_thw", "video_grid_thw") if key in batch}
    positions, _ = model.model.get_rope_index(
        batch["input_ids"],
        mm_token_type_ids=batch["mm_token_type_ids"],
        attention_mask=batch["attention_mask"],
        **grids,
    )
    assert torch.equal(positions[:, 0], made.position_ids)
    assert (
        prompter.processor.tokenizer.decode(
            made.input_ids[len(prompter.prefix(index.read(last.clip)).input_ids) :]
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
    (made,) = _questions(entry(0, image=["a.png", "b.png"], conversations=said(human, "B")))
    assert made.options == {"A": "<image>", "B": "<image>"} and made.text == "Which is red?"


@pytest.mark.parametrize("path", ["dense", "segments", "flex"])
@pytest.mark.parametrize("name", ["picture", "between words", "both kinds", "later turns", "text after"])
def test_questions_that_share_media_have_the_losses_of_separate_sequences(data, prompter, name, path):
    from roadtrain.model import attention
    from roadtrain.model.sequences import build

    _, index, found = data
    last = found[name][-1]
    entries = [one for of in found.values() for one in of][:4]  # any questions: a segment is its words
    model, prefix = tiny.model("float64"), prompter.prefix(index.read(last.clip))
    attention.set_attention(model, path)
    segments = [prompter.segment(one) for one in (last, *entries)]
    together = run(model, [build([(prefix, segments)], model.config.video_token_id).padded(PADDED[path])])
    apart = separately("float64", [(prefix, segments)])
    assert np.isfinite(together[1]) and abs(together[1] - apart[1]) <= 1e-12 * abs(apart[1])
    assert differ(together[0], apart[0]) <= 1e-12
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

    _, index, found = data
    model = tiny.model("float64")
    clips = [(prompter.prefix(index.read(of[-1].clip)), [prompter.segment(of[-1])]) for of in found.values()]
    together = run(model, [build(clips, model.config.video_token_id)])
    apart = separately("float64", clips)
    assert differ(together[0], apart[0]) <= 1e-12 and abs(together[1] - apart[1]) <= 1e-12 * abs(apart[1])


def test_preflight_counts_the_tokens_that_are_trained_on(data, prompter):
    """Before anything is decoded, from headers and the tokenizer alone."""
    from roadtrain.train.preflight.media import plan_clips
    from roadtrain.train.preflight.tokens import prefix_tokens, question_tokens, tokenizer_of

    root, index, found = data
    run_of = type("Run", (), {"media": str(root / "media"), "vision": VISION})
    entries = [one for of in found.values() for one in of]
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
    write_entries(tmp_path / "x.json", [entry(0, **media, conversations=said(*turns))])
    with pytest.raises(ValueError, match=f"x.json: entry 0: .*{says}"):
        list(read_questions(tmp_path / "x.json"))
