"""A set and a map of 64-bit hashes in flat memory: 16 bytes a key instead of Python's hundred.

Two different keys collide with probability n^2 / 2^65: 3e-8 for a million keys.
"""

from array import array
from hashlib import blake2b


def hash64(text: str) -> int:
    """The same on every machine and in every process; never 0."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little") or 1


class CompactMap:
    """{hash: small number}. `put` keeps what came first and returns it: None the first time."""

    def __init__(self, slots: int = 1 << 10) -> None:
        self._keys = array("Q", bytes(8 * slots))  # 0: free
        self._values = array("Q", bytes(8 * slots))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, key: int, value: int = 0) -> int | None:
        slot, mask, keys = key & (len(self._keys) - 1), len(self._keys) - 1, self._keys
        while keys[slot]:
            if keys[slot] == key:
                return self._values[slot]
            slot = (slot + 1) & mask
        keys[slot], self._values[slot] = key, value
        self._count += 1
        if self._count * 2 > len(keys):
            self._grow()
        return None

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._keys, self._values = (array("Q", bytes(16 * len(keys))) for _ in range(2))
        self._count = 0
        for key, value in zip(keys, values, strict=True):
            if key:
                self.put(key, value)
