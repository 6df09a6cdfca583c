"""Make things in other threads ahead of their use, in order: reading and tokenizing a video while the GPU trains."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Prefetched:
    """Iterator over make(item) for every item, `threads` of them made ahead. 0 threads: made when they are asked for.

    What make() raises is raised where its item's turn comes. `waited` is how many seconds the user waited in all.
    """

    def __init__(self, make: Callable[[Any], Any], items: Iterable[Any], threads: int):
        self.waited = 0.0
        self._made = self._inline(make, items) if threads < 1 else self._ahead(make, items, threads)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        began = time.monotonic()
        try:
            return next(self._made)
        finally:
            self.waited += time.monotonic() - began

    @staticmethod
    def _inline(make: Callable, items: Iterable) -> Iterator:
        for item in items:
            yield make(item)

    @staticmethod
    def _ahead(make: Callable, items: Iterable, threads: int) -> Iterator:
        items, waiting = iter(items), deque()
        with ThreadPoolExecutor(threads, thread_name_prefix="prefetch") as pool:
            try:
                while True:
                    for item in items:
                        waiting.append(pool.submit(make, item))
                        if len(waiting) > threads:
                            break
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        self._made.close()
