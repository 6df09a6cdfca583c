"""Prefetching keeps the order, stays a few ahead, hands errors on where they belong, and says how long it made wait."""

import threading
import time

import pytest

from roadtrain.model.prefetch import Prefetched, Room


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_order(threads):
    def slow_first(n):
        return (time.sleep(0.02 if n % 3 == 0 else 0), n * n)[1]

    assert list(Prefetched(slow_first, range(20), threads)) == [n * n for n in range(20)]
    assert list(Prefetched(slow_first, [], threads)) == []


def test_it_works_ahead_but_not_far():
    calls = []
    ahead = Prefetched(lambda n: calls.append(n) or n, range(100), 2)
    assert next(ahead) == 0
    time.sleep(0.1)
    assert 2 <= len(calls) <= 4


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_comes_in_its_turn(threads):
    def make(n):
        if n == 3:
            raise ValueError("video 3 is broken")
        return n

    items = Prefetched(make, range(10), threads)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="video 3"):
        next(items)


def test_waiting_is_counted():
    inline = Prefetched(lambda n: time.sleep(0.05), range(2), 0)
    list(inline)
    assert inline.waited >= 0.1
    ahead = Prefetched(lambda n: time.sleep(0.01), range(5), 4)
    for _ in ahead:
        time.sleep(0.05)  # the GPU works
    assert ahead.waited < 0.1


def test_closing_ends_the_threads():
    items = Prefetched(lambda n: n, range(1000), 3)
    next(items)
    items.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("prefetch") for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())


def test_what_is_held_stays_within_its_room_until_it_is_released():
    """By bytes: of large ones fewer are made ahead than there are threads."""
    calls: list[int] = []
    ahead = Prefetched(
        lambda size: calls.append(size) or size, [40, 40, 40, 5, 5, 500, 5], 4, Room(100, lambda size: size)
    )
    assert next(ahead) == 40
    time.sleep(0.1)
    assert calls == [40, 40] and ahead.held == 80  # one in use, one waits: a third would be too much
    ahead.release(40)
    assert next(ahead) == 40
    ahead.release(40)
    time.sleep(0.1)
    assert calls == [40, 40, 40, 5, 5] and ahead.held == 50  # 500 is more than there is room for
    assert [next(ahead), next(ahead), next(ahead)] == [40, 5, 5]
    assert next(ahead) == 500  # asked for, it is made: nothing waits for ever
    for size in (40, 5, 5, 500):
        ahead.release(size)
    assert list(ahead) == [5]


def test_it_says_whether_the_next_one_is_ready():
    go = threading.Event()
    ahead = Prefetched(lambda n: go.wait() and n, range(2), 1)
    assert not ahead.ready()
    go.set()
    assert [next(ahead), next(ahead)] == [0, 1]
    assert ahead.ready()  # there is none: asking for it doesn't wait
    assert not Prefetched(lambda n: n, range(1), 0).ready() and Prefetched(lambda n: n, [], 0).ready()
