"""Memory that a program frees and asks for again at once: let glibc keep it."""

import contextlib
import ctypes

# mallopt(3) of glibc, <malloc.h>
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
LARGEST_THRESHOLD = 32 * 2**20  # bytes; more is refused (half of malloc's HEAP_MAX_SIZE)


def keep_freed_memory() -> bool:
    """From now on freed memory stays with this process. A training step on a CPU frees and takes tensors of about a
    megabyte hundreds of times; by default each goes back to the kernel and comes again zeroed, page by page: a step of the
    sample takes 1.07 times as long. False where the C library isn't glibc, and nothing was changed."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        if not hasattr(library, "gnu_get_libc_version"):  # another C library's mallopt means other things
            return False
        settings = ((MMAP_THRESHOLD, LARGEST_THRESHOLD), (TRIM_THRESHOLD, 2**30), (TOP_PAD, 2 * LARGEST_THRESHOLD))
        return all(library.mallopt(name, value) for name, value in settings)
    return False
