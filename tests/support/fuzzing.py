"""How long a fuzz target runs: a moment in `make test`, longer when somebody asks for it."""

import os
import time
from collections.abc import Iterator


def seconds(default: float) -> float:
    """ROADTRAIN_FUZZ_SECONDS, or what the test takes by itself."""
    return float(os.environ.get("ROADTRAIN_FUZZ_SECONDS") or default)


def rounds(default: float) -> Iterator[int]:
    """0, 1, 2, .. for so many seconds: seeds, so that a failure can be repeated."""
    end = time.monotonic() + seconds(default)
    number = 0
    while time.monotonic() < end:
        yield number
        number += 1
