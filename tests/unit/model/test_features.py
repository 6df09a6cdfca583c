"""A frozen tower's features, kept: bit for bit those of the pass, for every cut, and other ones for another tower."""

import errno
import os
from dataclasses import replace

import pytest
import torch

from roadtrain.data.llava import read_questions
from roadtrain.frames.index import FrameIndex
from roadtrain.model.features import FeatureCache, cut_of
from roadtrain.model.parts import freeze_parts
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from support import tiny
from support.clips import decode, render
from support.frame_cache import write_conversations
from support.losses import losses_and_gradients

VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}
CUTS = {"projector": ["vision", "projector"], "tower": ["vision"]}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("features") / "data"
    for n in range(3):
        render(root / f"media/v{n}.mp4", frames=12, size=(96, 64), seed=n)
    write_conversations(root / "x.llava.json", [f"v{n}.mp4" for n in range(3)])
    decode(root, VISION)
    return root


@pytest.fixture(scope="module")
def prompter():
    return Prompter(tiny.processor(), "You are a helpful assistant.")


def model_and_cache(root, prompter, freeze, seed=0):
    model = tiny.model("float32", seed=seed)
    freeze_parts(model, freeze)
    tower = model.model.visual
    cache = FeatureCache(tower, cut_of(tower), prompter, FrameIndex.load(root / "index.json"))
    return model, cache


def clips_of(root):
    return list(dict.fromkeys(question.clip for question in read_questions(root / "x.llava.json")))


@pytest.mark.parametrize("cut", CUTS)
def test_loss_and_gradients_are_those_of_the_pass_bit_for_bit(root, prompter, cut):
    model, cache = model_and_cache(root, prompter, CUTS[cut])
    assert cache.cut == cut
    clips = clips_of(root)
    cache.fill(clips)
    segments = [prompter.segment(entry) for entry in tiny.entries(3)]
    video = model.config.video_token_id
    for clip in clips:
        whole, cached = prompter.prefix(cache.frames.read(clip)), cache.prefix(clip)
        assert len(whole.pixels) and not len(cached.pixels) and torch.equal(whole.input_ids, cached.input_ids)
        results = [losses_and_gradients(model, [build([(prefix, segments)], video)]) for prefix in (whole, cached)]
        (logits, loss, gradients), (same_logits, same_loss, same_gradients) = results
        assert torch.equal(logits, same_logits) and loss == same_loss
        assert gradients.keys() == same_gradients.keys()
        assert all(torch.equal(gradients[name], same_gradients[name]) for name in gradients)


@pytest.mark.parametrize("cut", CUTS)
def test_several_clips_in_a_pass_have_each_its_own(root, prompter, cut):
    model, cache = model_and_cache(root, prompter, CUTS[cut])
    clips = clips_of(root)
    cache.fill(clips)
    segments, video = [prompter.segment(entry) for entry in tiny.entries(2)], model.config.video_token_id
    whole = build([(prompter.prefix(cache.frames.read(clip)), segments) for clip in clips], video)
    cached = build([(cache.prefix(clip), segments) for clip in clips], video)
    (logits, loss, _), (same_logits, same_loss, _) = (losses_and_gradients(model, [one]) for one in (whole, cached))
    assert torch.allclose(logits, same_logits, rtol=1e-5, atol=1e-5) and loss == pytest.approx(same_loss, rel=1e-6)


def test_pictures_and_videos_between_words(root, prompter, tmp_path):
    """Of a clip of several media: the videos' rows first, then the pictures', as their places are."""
    from roadtrain.media import Clip, Medium, Words

    model, cache = model_and_cache(root, prompter, CUTS["projector"])
    clip = Clip((Medium("v0.mp4"), Words("then"), Medium("v1.mp4")))
    cache.fill([clip])
    segments, video = [prompter.segment(entry) for entry in tiny.entries(2)], model.config.video_token_id
    prefix = cache.prefix(clip)
    whole = prompter.prefix(cache.frames.read(clip))
    results = [losses_and_gradients(model, [build([(one, segments)], video)])[1] for one in (whole, prefix)]
    assert results[0] == pytest.approx(results[1], rel=1e-6)
    # The same numbers as pictures' features take the pictures' places.
    assert not prefix.image_features and len(prefix.features) == 4
    as_pictures = replace(prefix, features=(), image_features=prefix.features)
    sequence = build([(as_pictures, segments)], video)
    assert [len(level) for level in sequence.image_features] == [len(level) for level in prefix.features]


def test_nothing_is_computed_twice_and_size_is_estimated(root, prompter, monkeypatch, tmp_path):
    _, cache = model_and_cache(root, prompter, CUTS["projector"])
    clips = clips_of(root)
    cache.fill(clips)
    files = [cache._file(row) for clip in clips for row in cache.frames.rows_of(clip)]
    for row, file in zip((row for clip in clips for row in cache.frames.rows_of(clip)), files, strict=True):
        assert cache.row_bytes(row) <= file.stat().st_size < cache.row_bytes(row) + 4096
    _, again = model_and_cache(root, prompter, CUTS["projector"])
    monkeypatch.setattr(again, "encode", lambda prefix: pytest.fail("was there"))
    again.fill(clips)


def test_another_tower_cut_or_frame_is_another_file(root, prompter, tmp_path):
    caches = [
        model_and_cache(root, prompter, CUTS[cut], seed)[1]
        for cut, seed in (("projector", 0), ("tower", 0), ("projector", 1))
    ]
    model, moved = model_and_cache(root, prompter, CUTS["projector"])
    with torch.no_grad():
        model.model.visual.merger.norm.bias[0] += 1e-3
    caches.append(FeatureCache(model.model.visual, "projector", prompter, moved.frames))
    rows = caches[0].frames.rows()
    assert len({cache._file(row) for cache in caches for row in rows}) == 4 * len(rows)
    # A projector that is trained makes no other features below it.
    below = FeatureCache(model.model.visual, "tower", prompter, moved.frames)
    assert below._file(rows[0]) == caches[1]._file(rows[0])


@pytest.mark.parametrize("cut, name", [("tower", "blocks.2.mlp.linear_fc1.weight"), ("projector", "pos_embed.weight")])
def test_one_weight_of_the_tower_is_another_file(root, prompter, cut, name):
    (model, before), (_, same) = (model_and_cache(root, prompter, CUTS[cut]) for _ in range(2))
    row = before.frames.rows()[0]
    assert before._file(row) == same._file(row)
    with torch.no_grad():
        weight = model.model.visual.get_parameter(name)
        weight[-1, -1] = torch.nextafter(weight[-1, -1], torch.tensor(9.0))  # its last bit
    assert FeatureCache(model.model.visual, cut, prompter, before.frames)._file(row) != before._file(row)


def test_another_number_type_is_another_file(root, prompter):
    """Of the weights, and of what a pass computes in."""
    model, whole = model_and_cache(root, prompter, CUTS["projector"])
    tower, row = model.model.visual, whole.frames.rows()[0]
    mixed = FeatureCache(tower, "projector", prompter, whole.frames, lambda: torch.autocast("cpu", torch.bfloat16))
    files = [whole._file(row), mixed._file(row)]
    files.append(FeatureCache(tower.to(torch.bfloat16), "projector", prompter, whole.frames)._file(row))
    assert len(set(files)) == 3


def test_a_disk_that_fills_up_leaves_what_was_whole_and_nothing_else(root, prompter, monkeypatch):
    model, cache = model_and_cache(root, prompter, CUTS["projector"], seed=7)
    clips, write, written = clips_of(root), os.fsync, []

    def fsync(descriptor):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(descriptor)
        write(descriptor)

    monkeypatch.setattr("roadtrain.files.os.fsync", fsync)
    folder = cache._file(cache.frames.rows()[0]).parents[1]
    before = {path for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(OSError, match="No space left"):
        cache.fill(clips)
    monkeypatch.undo()
    (new,) = {path for path in folder.rglob("*") if path.is_file()} - before  # no half of the second one
    cache.fill(clips)
    assert new.exists() and all(cache._file(row).exists() for row in cache.frames.rows())
    assert len(cache.prefix(clips[0]).features) == 4


def test_shares_of_ranks_make_each_once(tmp_path, prompter):
    for n in range(3):
        render(tmp_path / f"media/w{n}.mp4", frames=12, size=(96, 64), seed=10 + n)
    write_conversations(tmp_path / "x.llava.json", [f"w{n}.mp4" for n in range(3)])
    decode(tmp_path, VISION)
    _, cache = model_and_cache(tmp_path, prompter, CUTS["projector"])
    clips = clips_of(tmp_path)
    counts = []
    encode = cache.encode
    cache.encode = lambda prefix: counts.append(1) or encode(prefix)
    for rank in range(2):
        # The second rank begins when the first has written its share.
        _, mine = model_and_cache(tmp_path, prompter, CUTS["projector"])
        mine.encode = cache.encode
        mine.fill(clips, (rank, 2))
    assert len(counts) == 3 and all(cache._file(row).exists() for row in cache.frames.rows())


def test_a_tower_that_is_trained_has_no_cut():
    model = tiny.model("float32")
    assert cut_of(model.model.visual) is None
    freeze_parts(model, ["projector"])
    assert cut_of(model.model.visual) is None
