"""Make things in other threads ahead of their use, in order: reading and tokenizing a video while the GPU trains."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Room(Generic[Item]):
    """What may be held at a time of results that take `size(item)` bytes each: being made, waiting, and in use."""

    bytes: int
    size: Callable[[Item], int]


class Prefetched(Generic[Item, Result]):
    """Iterator over make(item) for every item, in order, while `threads` more are being made.

    with Prefetched(read, clips, threads=3) as pixels:  # the first ones are being read from here on
        for clip, one in zip(clips, pixels): ..

    While a result is in use, at most `threads` others are held or being made (one more before the first is asked for).
    With `room` they are made only while it has room for them; a result takes its room until `release(item)`. One that is
    asked for is made however large it is: nothing waits for ever.
    0 threads: each is made when it is asked for, in the thread that asks. What make() raises is raised where its item's
    turn comes, and nothing comes after it. `waited` is how many seconds its user waited in all, `held` how many bytes are
    held now. Leaving the block, or close(), ends the threads and drops what nobody asked for.
    """

    def __init__(
        self, make: Callable[[Item], Result], items: Iterable[Item], threads: int, room: Room[Item] | None = None
    ):
        self.waited = 0.0
        self.held = 0
        self._make, self._items, self._threads, self._room = make, iter(items), threads, room
        self._upcoming: deque[Item] = deque()  # at most one: its size was looked at
        self._pending: deque[Future[Result]] = deque()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prefetch") if threads > 0 else None
        self._fill()

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        start = time.monotonic()
        try:
            return self._take()
        except BaseException:  # the end of the items is one, too
            self.close()
            raise
        finally:
            self.waited += time.monotonic() - start

    def ready(self) -> bool:
        """Whether the next result can be had without waiting, or there is none. Without threads: only when there is none."""
        self._fill()
        return self._pending[0].done() if self._pending else not self._peek()

    def release(self, item: Item) -> None:
        """The result that was made of it is no longer in use."""
        self.held -= self._size(item)
        self._fill()

    def _take(self) -> Result:
        if not self._pending:
            if not self._peek():
                raise StopIteration
            if self._pool is None:
                return self._make(self._next_item())
            self._submit()
        self._fill(leaving=1)
        return self._pending.popleft().result()

    def _fill(self, leaving: int = 0) -> None:
        """Hand items to the threads: the one that is asked for next, and as many more as there are threads. `leaving`: how
        many of them are about to be taken."""
        if self._pool is None:
            return
        while len(self._pending) - leaving < self._threads + (not leaving) and self._peek() and self._has_room():
            self._submit()

    def _submit(self) -> None:
        assert self._pool is not None
        self._pending.append(self._pool.submit(self._make, self._next_item()))

    def _has_room(self) -> bool:
        return self._room is None or not self.held or self.held + self._size(self._upcoming[0]) <= self._room.bytes

    def _next_item(self) -> Item:
        item = self._upcoming.popleft()
        self.held += self._size(item)
        return item

    def _size(self, item: Item) -> int:
        return self._room.size(item) if self._room else 0

    def _peek(self) -> bool:
        """Whether there is another item; it is then in `_upcoming`."""
        if not self._upcoming:
            for item in self._items:
                self._upcoming.append(item)
                break
        return bool(self._upcoming)

    def close(self) -> None:
        """No more results; what a thread is at work on it finishes."""
        self._items = iter(())
        self._upcoming.clear()
        self._pending.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> "Prefetched[Item, Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
