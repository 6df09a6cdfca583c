"""Freed memory stays with the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from roadtrain.train import heap

# Take and free a megabyte again and again; tell how many pages came anew. malloc raises its own limits when a
# larger block is freed, so they are put back first, as they are in a program that frees none.
PROGRAM = """
import ctypes, resource, sys
sys.path.insert(0, sys.argv[1])
from roadtrain.train import heap
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
library.mallopt(heap.MMAP_THRESHOLD, 128 * 1024)
if sys.argv[2] == "keep":
    assert heap.keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    block = library.malloc(2**20)
    library.memset(block, 1, 2**20)
    library.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(what: str) -> int:
    run = [sys.executable, "-c", PROGRAM, str(Path(heap.__file__).parents[2]), what]
    return int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


def test_a_freed_block_is_not_given_back():
    if not heap.keep_freed_memory():
        pytest.skip("not glibc")
    assert faults("keep") < 1000 < 20_000 < faults("as it is")


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda name: object())
    assert heap.keep_freed_memory() is False
