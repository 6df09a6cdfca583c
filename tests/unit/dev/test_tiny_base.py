"""The committed base model: whole, loadable by stock transformers, binds letters, knows none of the sample's words."""

import hashlib
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BASE = ROOT / "specs/sample/base"
LIMIT = 12 * 10**6  # bytes of the whole directory


@pytest.fixture(scope="module")
def stock():
    """(processor, model) as anybody would load them, offline, in the precision they are stored in."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(BASE, dtype=torch.float32)
    return AutoProcessor.from_pretrained(BASE), model.eval()


def reply(stock, text: str) -> str:
    """What stock generate answers to a text, special tokens included."""
    import torch

    processor, model = stock
    chat = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]
    prompt = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    inputs = processor(text=[prompt], return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(**inputs, max_new_tokens=4)
    return processor.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :])


def test_the_directory_is_small_and_is_the_one_that_the_readme_describes():
    assert sum(path.stat().st_size for path in BASE.iterdir()) <= LIMIT
    digest = hashlib.sha256((BASE / "model.safetensors").read_bytes()).hexdigest()
    assert digest in (ROOT / "specs/sample/README.md").read_text()


def test_the_architecture_is_qwen3_vl_with_deepstack_and_rope_for_old_and_new_transformers(stock):
    import json

    _, model = stock
    assert type(model).__name__ == "Qwen3VLForConditionalGeneration"
    assert len(model.model.visual.deepstack_merger_list) == 3
    text = json.loads((BASE / "config.json").read_text())["text_config"]
    assert text["rope_theta"] == text["rope_parameters"]["rope_theta"]
    assert text["rope_scaling"]["mrope_section"] == text["rope_parameters"]["mrope_section"]


@pytest.mark.slow
def test_stock_generate_binds_letters_to_words_never_trained(stock):
    from dev.tiny import lookups, words

    rng, right = random.Random(1), 0
    for _ in range(20):
        options = words.random_options(rng, words.HELD_OUT, 4)
        answer = rng.randrange(4)
        right += (
            reply(stock, f"Which is {options[answer]}?" + lookups.options_text(options))
            == "ABCD"[answer] + "<|im_end|>"
        )
    assert right >= 19


@pytest.mark.parametrize("bucket", [(8, 96, 160), (16, 64, 128)])
def test_the_batched_forward_equals_transformers(stock, bucket):
    import torch

    from dev.tiny import progress, world
    from dev.tiny.batches import ClipQuestions, Encoder
    from dev.tiny.clips import render
    from dev.tiny.forward import Forward, deviation

    processor, model = stock
    attributes = [world.sample(random.Random(3))]
    questions = ClipQuestions(Encoder(processor.tokenizer), attributes)
    batch = questions.batch(random.Random(0), bucket, [0], 3, 0.5)
    pool = torch.from_numpy(render(attributes[0], 3))[None]
    frames = progress.bucket_frames(pool, [0], bucket, torch.device("cpu")).round().to(torch.uint8)
    assert deviation(model, processor, Forward(model), batch, frames) < 1e-4


def test_a_video_prompt_is_the_one_of_the_processor(stock):
    import torch

    from dev.tiny.batches import Encoder, timestamps
    from dev.tiny.tokenizer import SYSTEM

    processor, _ = stock
    encode = Encoder(processor.tokenizer)
    chat = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What is it?"}]},
    ]
    prompt = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    video = torch.zeros(8, 3, 96, 160, dtype=torch.uint8)
    times = {"fps": 10, "frames_indices": [60 * i / 7 for i in range(8)], "total_num_frames": 61}
    ids = processor(text=[prompt], videos=[video], video_metadata=[times], do_sample_frames=False)["input_ids"][0]
    assert list(ids) == encode.video(timestamps(8, 6.0), 15) + encode("What is it?") + encode.reply


def sample_words() -> set[str]:
    """Every content word of the sample's questions and options, lower case."""
    from dev.tiny.tokenizer import FUNCTION_WORDS
    from roadtrain.sample import annotations, scenes

    questions = [*scenes.QUESTIONS.values(), annotations.ACTION, annotations.MOVE, annotations.PLACE]
    texts = [text for question in questions for text in (question.text, *question.answers)]
    return set(re.findall(r"[a-z]{2,}", " ".join(texts).lower())) - set(FUNCTION_WORDS) - {"s"}


def test_nothing_in_the_clips_goes_by_a_word_of_the_sample():
    from dev.tiny import world

    assert len(sample_words()) > 30
    for language in (0, 1, 1000):
        names = world.Names(language)
        tables = (names.values, names.nouns, names.owners, names.verbs, names.extras)
        spellings = [[list(table.values()) for table in tables], [a.forms for a in world.ATTRIBUTES]]
        assert set(re.findall(r"[a-z]{2,}", str(spellings).lower())) & sample_words() == set()


def test_a_language_is_the_same_every_time_and_unlike_the_next():
    from dev.tiny import world

    assert world.Names(7).values == world.Names(7).values != world.Names(8).values


def test_a_mirrored_clip_is_asked_about_as_it_is_shown():
    from dev.tiny import world

    clips = [world.sample(random.Random(i)) for i in range(40)]
    for clip in clips:
        turned = world.mirrored(clip)
        assert (turned["walk"] == clip["walk"]) == (clip["walk"] == 2)  # stands still
        assert (turned["begin"] > 0.5) == (clip["begin"] < 0.5)
        if world.clear(clip["begin"]):
            assert turned["start"] == 2 - clip["start"]
        back = world.mirrored(turned)
        assert {**back, "begin": 0, "end": 0} == {**clip, "begin": 0, "end": 0}


def test_frames_are_mirrored_moved_and_keep_their_order():
    import torch

    from dev.tiny import progress

    pool = torch.arange(160, dtype=torch.uint8).expand(2, 16, 128, 160)[..., None].repeat(1, 1, 1, 1, 3)
    pool = pool // 2 + torch.arange(16)[None, :, None, None, None].to(torch.uint8)  # brighter to the right, and later
    plain, turned = progress.moved_frames(pool, [0, 1], [False, True], (8, 96, 160))
    assert plain.shape == (8, 96, 160, 3)
    assert plain[0, 48, 150, 0] - plain[0, 48, 10, 0] > 60
    assert turned[0, 48, 10, 0] - turned[0, 48, 150, 0] > 60
    assert plain[7, 48, 80, 0] - plain[0, 48, 80, 0] == pytest.approx(15, abs=0.1)


def test_the_pool_draws_on_while_it_is_used_and_keeps_the_newest():
    import time

    import torch

    from dev.tiny.clips import render
    from dev.tiny.pool import Attributes, Pool

    attributes = Attributes(3, "test")
    pool = Pool(attributes, 70, processes=2, capacity=20)
    try:
        pool.use(torch.device("cpu"), 4)
        until = time.monotonic() + 120
        while pool.ready <= 24 and time.monotonic() < until:
            time.sleep(0.1)
        first, end = pool.window()
        assert end > 24 and end - first == 17
        newest = pool.clips[(end - 1) % 20].clone()
        assert (newest.numpy() == render(attributes[end - 1], 70 + end - 1)).all()
    finally:
        pool.close()


def test_look_ups_and_tokenizer_hold_no_word_of_the_sample():
    from dev.tiny import tokenizer, words

    material = " ".join([*words.TRAINED, *words.HELD_OUT, *tokenizer.corpus()])
    assert set(re.findall(r"[a-z]{2,}", material.lower())) & sample_words() == set()


def test_an_abstract_clip_is_the_same_twice():
    from dev.tiny import world
    from dev.tiny.clips import render

    clip = world.sample(random.Random(5))
    assert (render(clip, 9) == render(clip, 9)).all()


@pytest.mark.slow
def test_the_pre_training_program_runs_in_little(tmp_path):
    command = [sys.executable, ROOT / "scripts/dev/pretrain_base.py", "--smoke", "--out", tmp_path / "base"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    process = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=env)
    assert process.returncode == 0, process.stderr
    names = {path.name for path in (tmp_path / "base").iterdir()}
    assert {path.name for path in BASE.iterdir()} <= names
    assert "difference from transformers" in (tmp_path / "pretrain.log").read_text()
