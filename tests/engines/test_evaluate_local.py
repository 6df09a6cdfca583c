"""The evaluator asks everything about a video at once and answers as if asked one by one."""

import json

import pytest

from roadtrain.data.strict_json import read_rows
from roadtrain.evaluate.generation import generate_answers
from roadtrain.evaluate.replies import Reply, ReplyStore, letter_probabilities, letter_tokens
from roadtrain.media import Clip, Medium, Words
from roadtrain.model.prompts import Prompter
from roadtrain.model.times import read_times
from support import tiny
from support.evaluation import evaluate, prepare


def stock(model, processor, prompter, clip, entry, tokens: int) -> list[int]:
    """One question through transformers' own generate."""
    content = [{"type": "video"}, {"type": "text", "text": entry.prompt}]
    messages = [{"role": "system", "content": prompter.system_prompt}, {"role": "user", "content": content}]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    batch = processor(
        text=[text],
        videos=[clip.media[0].frames],
        video_metadata=[clip.media[0].metadata],
        do_sample_frames=False,
        do_resize=False,
        return_tensors="pt",
    )
    batch.pop("video_metadata", None)
    end = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    sequences = model.generate(**batch, max_new_tokens=tokens, do_sample=False, eos_token_id=end, pad_token_id=0)
    ids = sequences[0, batch["input_ids"].shape[1] :].tolist()
    return ids[: ids.index(end)] if end in ids else ids


@pytest.mark.parametrize("tokens", [1, 6])
def test_answers_are_those_of_one_question_at_a_time(tokens):
    processor, model = tiny.processor(), tiny.model("float32").eval()
    model.config.use_cache = True
    prompter = Prompter(processor, "You are a helpful assistant.")
    clip, entries = tiny.clip(), tiny.entries(5)
    stop = {processor.tokenizer.convert_tokens_to_ids("<|im_end|>")}
    together = generate_answers(
        model, prompter.prefix(clip), [prompter.segment(e) for e in entries], stop_tokens=stop, max_new_tokens=tokens
    )
    assert [one.tokens for one in together] == [
        stock(model, processor, prompter, clip, entry, tokens) for entry in entries
    ]
    assert any(one.tokens for one in together)


def test_letter_probabilities_are_the_models_own():
    """Softmax of the stock model's logits at the last prompt token, over the letters; the likeliest is said."""
    import torch

    processor, model = tiny.processor(), tiny.model("float32").eval()
    prompter = Prompter(processor, "You are a helpful assistant.")
    clip, entries = tiny.clip(), tiny.entries(4)
    letters = [letter_tokens(processor.tokenizer, entry.options) for entry in entries]
    model.config.use_cache = True
    prefix, segments = prompter.prefix(clip), [prompter.segment(e) for e in entries]
    answers = generate_answers(
        model, prefix, segments, stop_tokens=set(), max_new_tokens=3, letters=letters, only_letters=True
    )
    for entry, ids, segment, one in zip(entries, letters, segments, answers, strict=False):
        whole = torch.cat([prefix.input_ids, torch.tensor(segment.prompt_ids)])[None]
        with torch.no_grad():
            logits = model(
                input_ids=whole,
                attention_mask=torch.ones_like(whole),
                pixel_values_videos=prefix.pixels,
                video_grid_thw=prefix.grid,
                mm_token_type_ids=2 * (whole == model.config.video_token_id).int(),
            ).logits[0, -1]
        expected = logits[ids].softmax(-1)
        probabilities = letter_probabilities(list(entry.options), one.letter_logits)
        assert list(probabilities) == ["A", "B", "C"] and list(probabilities.values()) == pytest.approx(
            expected.tolist(), abs=2e-5
        )
        assert one.tokens == [ids[int(expected.argmax())]]


def test_an_open_question_has_no_letters_and_is_answered_in_words_beside_letters():
    processor, model = tiny.processor(), tiny.model("float32").eval()
    model.config.use_cache = True
    prompter = Prompter(processor, "You are a helpful assistant.")
    prefix, segments = prompter.prefix(tiny.clip()), [prompter.segment(e) for e in tiny.entries(2)]
    letters = [[], letter_tokens(processor.tokenizer, {"A": "x", "B": "y"})]
    free = generate_answers(model, prefix, segments, stop_tokens=set(), max_new_tokens=4)
    answers = generate_answers(
        model, prefix, segments, stop_tokens=set(), max_new_tokens=4, letters=letters, only_letters=True
    )
    assert answers[0].tokens == free[0].tokens and len(answers[0].tokens) == 4 and len(answers[1].tokens) == 1
    assert letter_probabilities([], answers[0].letter_logits) is None


@pytest.fixture
def root(tmp_path):
    return prepare(tmp_path)


def test_a_video_without_frames_gives_unanswered_rows_and_shifts_nothing(root):
    assert evaluate(root).returncode == 0
    rows = [row for _, row in read_rows(root / "p.jsonl")]
    assert [row["id"] for row in rows] == [f"v{n}_{k}" for n in range(3) for k in range(2)]
    assert [row["response"] is None for row in rows] == [False, False, True, True, False, False]
    assert all(row["answer"] is None and not row["is_correct"] and row["probabilities"] is None for row in rows[2:4])
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5) for row in rows if row["response"])
    (left_out,) = json.loads((root / "p.source.json").read_text())["unanswered_videos"]
    assert left_out["video"] == "v1.mp4" and left_out["reason"]


def test_without_media_the_prompt_is_the_template_of_the_question_alone():
    """Token for token what transformers writes for a conversation in which no video is."""
    processor = tiny.processor()
    prompter = Prompter(processor, "You are a helpful assistant.")
    for entry in tiny.entries(3):
        messages = [{"role": "system", "content": prompter.system_prompt}, {"role": "user", "content": entry.prompt}]
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        prefix = prompter.prefix_without_media(entry.clip)
        ids = prefix.input_ids.tolist() + prompter.segment(entry).prompt_ids
        assert ids == processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert not len(prefix.pixels) and not len(prefix.grid) and not len(prefix.image_grid)


def test_without_media_words_between_them_stay():
    prompter = Prompter(tiny.processor(), "Sys")
    clip = Clip((Words("First"), Medium("a.png", kind="image"), Words("then"), Medium("b.mp4")))
    text = prompter.processor.tokenizer.decode(prompter.prefix_without_media(clip).input_ids)
    assert text.endswith("<|im_start|>user\nFirstthen") and "vision" not in text and "pad" not in text


def test_without_media_the_same_questions_are_asked_and_videos_make_no_difference(root):
    assert evaluate(root, without_media=True).returncode == 0
    rows = {row["id"]: row for _, row in read_rows(root / "p.jsonl")}
    # A checkpoint is not asked about v1, which has no frames: neither is the baseline that it is compared with.
    assert [id for id, row in rows.items() if row["response"] is None] == ["v1_0", "v1_1"]
    for k in range(2):
        one, other = rows[f"v0_{k}"], rows[f"v2_{k}"]
        assert (one["response"], one["probabilities"]) == (other["response"], other["probabilities"])
    assert json.loads((root / "p.source.json").read_text())["media"] == "none"
    blind = (root / "p.jsonl").read_bytes()
    assert evaluate(root).returncode == 0 and (root / "p.jsonl").read_bytes() != blind
    assert "media" not in json.loads((root / "p.source.json").read_text())


def test_only_letters(root):
    assert evaluate(root, evaluate='{"answers": "letters"}').returncode == 0
    rows = [row for _, row in read_rows(root / "p.jsonl")]
    replied = [row for row in rows if row["response"] is not None]
    assert len(replied) == 4
    assert all(
        row["response"] == row["answer"] == max(row["probabilities"], key=row["probabilities"].get) for row in replied
    )


def test_a_second_run_gives_the_same_bytes(root):
    assert evaluate(root).returncode == 0
    first = (root / "p.jsonl").read_bytes(), (root / "p.source.json").read_bytes()
    assert evaluate(root).returncode == 0
    assert first == ((root / "p.jsonl").read_bytes(), (root / "p.source.json").read_bytes())


def test_what_is_measured_stands_beside_the_predictions(root):
    assert evaluate(root).returncode == 0
    times = read_times(root / "p.times.json")
    assert times["questions"] == 4 and times["seconds"] > 0  # two videos of two; the third can't be read
    assert times["gpus"] == 0 and "cores" in times["hardware"]


def test_finished_videos_are_not_asked_again_but_only_for_this_very_checkpoint(root):
    path = root / "p.jsonl"
    ReplyStore(path, {"code": "1"}).add({"v0_0": Reply("B", {"A": 0.1, "B": 0.9})})
    with open(root / ".p.jsonl.finished", "a") as stream:
        stream.write('{"v2_0": {"respon')  # cut in half by a kill
    assert ReplyStore(path, {"code": "1"}).replies == {"v0_0": Reply("B", {"A": 0.1, "B": 0.9})}
    assert ReplyStore(path, {"code": "2"}).replies == {}
