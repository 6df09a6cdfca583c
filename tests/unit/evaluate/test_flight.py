"""Several clips in an engine at a time: in order, within memory, bad ones among good ones, nothing lost before a failure."""

import random
import threading
import time

import pytest

from roadtrain.evaluate.replies import CannotAsk, Reply
from roadtrain.evaluate.vllm.flight import InFlight
from roadtrain.model.prefetch import Prefetched, Room


class Engine:
    """Ends requests in another order than they came in, a few a step; says how many bytes of clips it holds."""

    def __init__(self, sizes, too_long=()):
        self.sizes, self.too_long, self.random = sizes, too_long, random.Random(0)
        self.requests, self.steps = {}, 0
        self.most_bytes = self.most_clips = 0

    def add(self, prompts, name):
        clip, questions = prompts
        if clip in self.too_long:
            raise CannotAsk(f"clip {clip} is too long")
        names = [f"{name}.{k}" for k in range(questions)]
        self.requests |= {request: (clip, k) for k, request in enumerate(names)}
        held = {clip for clip, _ in self.requests.values()}
        self.most_bytes = max(self.most_bytes, sum(self.sizes[clip] for clip in held))
        self.most_clips = max(self.most_clips, len(held))
        return names

    def step(self):
        assert self.requests, "a step with nothing to do would wait for ever"
        self.steps += 1
        ended = self.random.sample(sorted(self.requests), min(2, len(self.requests)))
        return {name: self.requests.pop(name) for name in ended} | {"of a clip that was taken back": (0, 0)}

    def replies(self, prompts, outputs):
        clip, questions = prompts
        assert outputs == [(clip, k) for k in range(questions)]  # in the questions' order
        return {f"{clip}_{k}": Reply(str(clip)) for k in range(questions)}


def fly(sizes, *, make=None, too_long=(), threads=1, room=100, most=50):
    """(engine, what came out until it ended, what was raised)."""
    engine, clips = Engine(sizes, too_long), list(range(len(sizes)))
    make = make or (lambda clip: (clip, 3))
    with Prefetched(make, clips, threads, Room(room, sizes.__getitem__)) as prepared:
        results, error = [], None
        try:
            for result in InFlight(engine, clips, prepared, most).replies():
                results.append(result)
        except ValueError as failure:
            error = failure
    return engine, results, error


def answered(clip):
    return {f"{clip}_{k}": Reply(str(clip)) for k in range(3)}


@pytest.mark.parametrize("threads", [0, 1])
def test_replies_come_in_the_clips_order(threads):
    engine, results, _ = fly([10] * 40, threads=threads)
    assert results == [answered(clip) for clip in range(40)]
    assert engine.most_clips > 1 or threads == 0


def test_memory_is_bounded_by_bytes_whatever_the_clips_sizes():
    sizes = [1, 60, 60, 1, 1, 1, 90, 5, 5, 5, 5, 99, 1] * 3
    engine, results, _ = fly(sizes)
    assert results == [answered(clip) for clip in range(len(sizes))]
    assert 90 <= engine.most_bytes <= 100


def test_a_clip_larger_than_the_limit_goes_alone_and_nothing_hangs():
    sizes = [10, 500, 10, 10, 500, 500]
    engine, results, _ = fly(sizes)
    assert results == [answered(clip) for clip in range(len(sizes))]
    assert engine.most_bytes == 500


def test_clips_without_pixels_are_bounded_by_their_number():
    engine, results, _ = fly([0] * 60, most=7)
    assert len(results) == 60 and 2 <= engine.most_clips <= 7


def test_one_at_a_time_on_a_cpu():
    engine, results, _ = fly([10] * 6, threads=0, most=1)
    assert results == [answered(clip) for clip in range(6)] and engine.most_clips == 1


def test_a_clip_without_questions_ends_at_once():
    engine, results, error = fly([10] * 4, make=lambda clip: (clip, 0 if clip == 1 else 3))
    assert error is None and results == [answered(0), {}, answered(2), answered(3)]


def test_bad_clips_among_good_ones_in_flight():
    """One that can't be read, and one that is too long for the engine: both keep their places."""

    def make(clip):
        return CannotAsk("clip 3 is unreadable") if clip == 3 else (clip, 3)

    _, results, error = fly([30] * 9, make=make, too_long={0, 5, 8})
    assert error is None
    assert [str(one) if isinstance(one, CannotAsk) else one for one in results] == [
        "clip 0 is too long",
        answered(1),
        answered(2),
        "clip 3 is unreadable",
        answered(4),
        "clip 5 is too long",
        answered(6),
        answered(7),
        "clip 8 is too long",
    ]


def test_what_was_in_flight_before_a_failure_is_not_lost():
    """The cache lost the frames of clip 6: the replies of the six before it come first, then the error."""

    def make(clip):
        if clip == 6:
            raise ValueError("frames of clip 6 are missing")
        return (clip, 3)

    engine, results, error = fly([10] * 9, make=make)
    assert results == [answered(clip) for clip in range(6)] and "clip 6" in str(error)
    assert engine.most_clips > 1


def test_the_engine_works_while_the_next_clip_is_read():
    """Reading takes longer than answering: the engine has taken steps before the last clip was read."""
    read = []

    def make(clip):
        time.sleep(0.02)
        read.append((clip, engine.steps))
        return (clip, 3)

    engine = Engine([10] * 8)
    with Prefetched(make, range(8), 1, Room(100, lambda clip: 10)) as prepared:
        results = list(InFlight(engine, list(range(8)), prepared, 50).replies())
    assert len(results) == 8 and read[-1][1] > 4


def test_leaving_early_ends_the_reading_thread():
    """Ctrl-C, or a failing consumer."""
    engine, clips = Engine([10] * 50), list(range(50))
    with Prefetched(lambda clip: (clip, 3), clips, 1, Room(100, lambda clip: 10)) as prepared:
        next(InFlight(engine, clips, prepared, 50).replies())
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("prefetch") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
