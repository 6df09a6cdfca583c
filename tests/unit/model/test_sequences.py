"""Shared-video sequences are K separate sequences: logits, loss and every gradient, for every mask that ships."""

import pytest
import torch

from roadtrain.model import attention, sequences, vision
from roadtrain.model.forward import answer_logits
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from support import tiny
from support.losses import PADDED, compute_exactly, difference, losses_and_gradients, separate_sequences

# Largest difference relative to the largest value: a few rounding errors of the type.
LIMIT = {"float64": 1e-12, "float32": 2e-5}


@pytest.fixture(scope="module")
def prompter():
    return Prompter(tiny.processor(), "You are a helpful assistant.")


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    compute_exactly(monkeypatch)


def a_model(dtype: str, path: str):
    """The tiny model, attending in one of the ways that ship."""
    model = tiny.model(dtype)
    attention.set_attention(model, path)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("path", attention.NAMES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("ragged", [True, False], ids=["ragged", "equal"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_one_shared_sequence_equals_k_separate_ones(prompter, dtype, ragged, checkpointing, path):
    model = a_model(dtype, path)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    prefix = prompter.prefix(tiny.clip())
    segments = [prompter.segment(entry) for entry in tiny.entries(6, ragged)]
    video = model.config.video_token_id
    together = losses_and_gradients(model, [build([(prefix, segments)], video).padded(PADDED[path])])
    apart = separate_sequences(dtype, [(prefix, segments)])
    assert difference(together[0], apart[0]) <= LIMIT[dtype]
    assert abs(together[1] - apart[1]) <= LIMIT[dtype] * abs(apart[1])
    assert (
        together[2].keys()
        == apart[2].keys()
        == {name for name, _ in model.named_parameters() if name != "lm_head.weight"}
    )
    # Gradients are compared with the size of their tensor's largest; biases that can't matter have none to speak of.
    biggest = max(g.abs().max() for g in apart[2].values())
    worst = max(
        ((together[2][n] - g).abs().max() / g.abs().max().clamp_min(biggest * 1e-3)).item() for n, g in apart[2].items()
    )
    assert worst <= LIMIT[dtype] * 10


@pytest.mark.slow
@pytest.mark.parametrize("path", attention.NAMES)
def test_several_clips_in_one_sequence(prompter, path):
    model, video = a_model("float64", path), None
    video = model.config.video_token_id
    clips = [
        (prompter.prefix(tiny.clip(n, frames=4 + 2 * n)), [prompter.segment(e) for e in tiny.entries(3 + n)])
        for n in range(3)
    ]
    together = losses_and_gradients(model, [build(clips, video).padded(PADDED[path])])
    apart = separate_sequences("float64", clips)
    assert difference(together[0], apart[0]) <= 1e-12
    assert max(difference(together[2][n], g) for n, g in apart[2].items() if g.abs().max() > 1e-9) <= 1e-10


def test_the_prompt_is_that_of_a_whole_conversation(prompter):
    """Prefix and segment tokenized apart give the ids and positions of the whole text through the processor."""
    processor, clip, entry = prompter.processor, tiny.clip(), tiny.entries(1)[0]
    content = [{"type": "video"}, {"type": "text", "text": entry.prompt}]
    messages = [{"role": "system", "content": prompter.system_prompt}, {"role": "user", "content": content}]
    messages.append({"role": "assistant", "content": entry.answer})
    text = processor.apply_chat_template(messages, tokenize=False)
    batch = processor(
        text=[text],
        videos=[clip.media[0].frames],
        video_metadata=[clip.media[0].metadata],
        do_sample_frames=False,
        do_resize=False,
        return_tensors="pt",
    )
    model = tiny.model("float32")
    sequence = build([(prompter.prefix(clip), [prompter.segment(entry)])], model.config.video_token_id)
    length = len(sequence.input_ids)
    assert batch["input_ids"][0, :length].tolist() == sequence.input_ids.tolist()
    assert processor.tokenizer.decode(batch["input_ids"][0, length:]) == "\n"
    assert torch.equal(batch["pixel_values_videos"], sequence.pixels)
    types = (batch["input_ids"] == model.config.video_token_id).long() * 2
    positions, _ = model.model.get_rope_index(
        batch["input_ids"],
        mm_token_type_ids=types,
        video_grid_thw=batch["video_grid_thw"],
        attention_mask=torch.ones_like(types),
    )
    assert torch.equal(positions[:, 0, :length], sequence.position_ids)


@pytest.mark.parametrize("path", attention.NAMES)
def test_a_segment_sees_no_other_segment(prompter, path):
    """Changing question 2 changes no logit of questions 1 and 3, before or after it; changing the video changes all."""
    model = a_model("float64", path).eval()
    video = model.config.video_token_id
    prefix, entries = prompter.prefix(tiny.clip()), tiny.entries(3, ragged=False)
    first, second, third = (prompter.segment(entry) for entry in entries)
    other = prompter.segment(tiny.entries(4)[3])

    def logits(prefix, segments):
        sequence = build([(prefix, segments)], video).padded(PADDED[path])
        with torch.no_grad():
            out = answer_logits(model, sequence)
        return [out[sequence.target_questions == k] for k in range(3)]

    before, after = logits(prefix, [first, second, third]), logits(prefix, [first, other, third])
    assert torch.allclose(before[0], after[0], rtol=0, atol=1e-12) and torch.allclose(
        before[2], after[2], rtol=0, atol=1e-12
    )
    assert not torch.allclose(before[1], after[1][: len(before[1])], atol=1e-6)
    moved = logits(prompter.prefix(tiny.clip(1)), [first, second, third])
    assert all((a - b).abs().max() > 1e-6 for a, b in zip(before, moved, strict=False))


def test_trap_without_the_mask_segments_leak(prompter, monkeypatch):
    """The equality test would notice a missing mask."""
    monkeypatch.setattr(attention, "dense_mask", lambda clips, segments: None)
    with pytest.raises(AssertionError):
        test_one_shared_sequence_equals_k_separate_ones(prompter, "float64", True, False, "dense")


def test_trap_positions_that_run_on(prompter, monkeypatch):
    """The equality test would notice positions that don't restart after the prefix."""
    real = sequences.build

    def running_on(clips, video_token, answers=True):
        sequence = real(clips, video_token, answers)
        segments = sequence.segment_ids > 0
        first = int(sequence.position_ids[0, segments].min())
        sequence.position_ids[:, segments] = first + torch.arange(int(segments.sum()))
        return sequence

    monkeypatch.setitem(globals(), "build", running_on)
    with pytest.raises(AssertionError):
        test_one_shared_sequence_equals_k_separate_ones(prompter, "float64", True, False, "dense")


def test_trap_segments_that_are_not_told_apart(prompter, monkeypatch):
    """The equality test would notice questions taken for one."""
    real = attention.segment_lengths

    def merged(sequence):
        return [[clip[0], sum(clip[1:])] for clip in real(sequence)]

    monkeypatch.setattr(attention, "segment_lengths", merged)
    with pytest.raises(AssertionError):
        test_one_shared_sequence_equals_k_separate_ones(prompter, "float64", True, False, "segments")


def test_the_block_mask_is_the_dense_mask(prompter):
    """Its rule token by token, and every block that it calls empty, full or in part."""
    clips = [
        (prompter.prefix(tiny.clip(n, frames=24)), [prompter.segment(e) for e in tiny.entries(9)]) for n in range(2)
    ]
    sequence = build(clips, tiny.model("float32").config.video_token_id).padded(128)
    dense = sequences.dense_mask(sequence.clip_ids, sequence.segment_ids)[0, 0]
    blocks = sequences.block_mask(sequence.clip_ids, sequence.segment_ids)
    place = torch.arange(len(sequence.input_ids))
    assert torch.equal(blocks.mask_mod(None, None, place[:, None], place[None]), dense)
    count = len(place) // 128
    tiles = dense.view(count, 128, count, 128).permute(0, 2, 1, 3).flatten(2)
    kinds = {"some": tiles.any(-1) & ~tiles.all(-1), "every": tiles.all(-1), "none": ~tiles.any(-1)}
    assert all(kind.any() for kind in kinds.values())
    for row in range(count):
        some = blocks.kv_indices[0, 0, row, : blocks.kv_num_blocks[0, 0, row]].tolist()
        every = blocks.full_kv_indices[0, 0, row, : blocks.full_kv_num_blocks[0, 0, row]].tolist()
        assert sorted(some) == kinds["some"][row].nonzero()[:, 0].tolist()
        assert sorted(every) == kinds["every"][row].nonzero()[:, 0].tolist()


def test_padding_changes_nothing(prompter):
    model = tiny.model("float64").eval()
    sequence = build(
        [(prompter.prefix(tiny.clip()), [prompter.segment(e) for e in tiny.entries(3)])], model.config.video_token_id
    )
    longer = sequence.padded(128)
    assert len(longer.input_ids) % 128 == 0 and len(longer.input_ids) > len(sequence.input_ids)
    assert longer.padded(128) is longer and longer.questions == sequence.questions
    with torch.no_grad():
        assert torch.allclose(answer_logits(model, sequence), answer_logits(model, longer), rtol=0, atol=1e-12)


def test_labels_are_the_answers(prompter):
    entries = tiny.entries(3)
    sequence = build(
        [(prompter.prefix(tiny.clip()), [prompter.segment(e) for e in entries])],
        tiny.model("float32").config.video_token_id,
    )
    labels = sequence.labels()
    answers = prompter.processor.tokenizer.decode(labels[labels != -100])
    assert answers == "".join(f"{entry.answer}<|im_end|>" for entry in entries)
    assert torch.equal(labels[labels != -100], sequence.input_ids[labels != -100])


def test_a_deleted_model_leaves_no_tower_behind():
    """Nothing that is kept for later passes (positions of a video's shape) may hold the weights."""
    import gc
    import weakref

    model = tiny.model("float32")
    tower = weakref.ref(model.model.visual)
    vision.features(model.model.visual, torch.randn(16, 1536), ((1, 4, 4),))
    del model
    gc.collect()
    assert tower() is None
