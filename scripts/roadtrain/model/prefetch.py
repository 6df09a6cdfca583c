"""Make things in other threads ahead of their use, in order: reading and tokenizing a video while the GPU trains."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Prefetched(Generic[Item, Result]):
    """Iterator over make(item) for every item, in order, while `threads` more are being made.

    with Prefetched(read, clips, threads=3) as pixels:  # the first ones are being read from here on
        for clip, one in zip(clips, pixels): ..

    While a result is in use, at most `threads` others are held or being made (one more before the first is asked for).
    0 threads: each is made when it is asked for, in the thread that asks. What make() raises is raised where its item's
    turn comes, and nothing comes after it. `waited` is how many seconds its user waited in all. Leaving the block, or
    close(), ends the threads and drops what nobody asked for.
    """

    def __init__(self, make: Callable[[Item], Result], items: Iterable[Item], threads: int):
        self.waited = 0.0
        self._make, self._items, self._threads = make, iter(items), threads
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

    def _take(self) -> Result:
        if self._pool is None:
            return self._make(next(self._items))
        self._fill()
        if not self._pending:
            raise StopIteration
        return self._pending.popleft().result()

    def _fill(self) -> None:
        """Hand items to the threads: the one that is asked for next, and as many more as there are threads."""
        if self._pool is None:
            return
        while len(self._pending) <= self._threads:
            try:
                item = next(self._items)
            except StopIteration:
                return
            self._pending.append(self._pool.submit(self._make, item))

    def close(self) -> None:
        """No more results; what a thread is at work on it finishes."""
        self._items = iter(())
        self._pending.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> "Prefetched[Item, Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
