"""Abstract clips, drawn without end by other processes while the training runs.

A ring in shared memory, and the same ring on the device. Clip i lies at i % capacity until clip i + capacity comes.
The first version drew some clips before the training and used each twenty times: what was told apart in training,
it told apart less well on others.
"""

import math
import mmap
import multiprocessing
import os
import random
import threading
import time
from functools import lru_cache

import numpy as np
import torch

from .clips import HEIGHT, WIDTH, render
from .world import FRAMES, sample

LAG = 0.15  # share of the ring that is too old to be asked for: it may be overwritten any moment


class Attributes:
    """Attributes of clip i of a seed: drawn when asked for."""

    def __init__(self, seed: int, part: str):
        self.draw = lru_cache(maxsize=20_000)(lambda i: sample(random.Random(f"{seed} {part} {i}")))

    def __getitem__(self, i: int) -> dict:
        return self.draw(i)


class Pool:
    """clips: uint8 (capacity, 16, 128, 160, 3) on a device; `ready` of them have come so far."""

    def __init__(self, attributes, first_seed: int, processes: int, capacity: int, endless: bool = True):
        shape = (capacity, FRAMES, HEIGHT, WIDTH, 3)
        self.host = np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)
        self.capacity, self.end = capacity, 2**62 if endless else capacity
        self.clips: torch.Tensor | None = None
        context = multiprocessing.get_context("fork")
        self.next_clips = context.RawArray("q", list(range(processes)))  # by process: its next clip
        self.copied = context.RawValue("q", 0)
        self.workers = [
            context.Process(target=self._draw, args=(attributes, first_seed, k), daemon=True) for k in range(processes)
        ]
        for worker in self.workers:
            worker.start()

    @property
    def ready(self) -> int:
        return self.copied.value

    def window(self) -> tuple[int, int]:
        """(first, end) of the clips that may be asked for."""
        ready = self.ready
        return max(0, ready - int(self.capacity * (1 - LAG))), ready

    def _draw(self, attributes, first_seed, k):
        import cv2

        cv2.setNumThreads(1)
        step, parent = len(self.next_clips), os.getppid()
        for index in range(k, self.end, step):
            while index >= self.ready + self.capacity and os.getppid() == parent:
                time.sleep(0.01)
            if os.getppid() != parent:  # killed: nobody wants more
                return
            self.host[index % self.capacity] = render(attributes[index], first_seed + index)
            self.next_clips[k] = index + step

    def copy_new(self) -> None:
        """Copy what has been drawn since to the device."""
        whole = min(self.end, *self.next_clips)
        while self.ready < whole:
            first = self.ready % self.capacity
            count = min(256, whole - self.ready, self.capacity - first)
            self.clips[first : first + count].copy_(torch.from_numpy(self.host[first : first + count]))
            if self.clips.is_cuda:
                torch.cuda.current_stream().synchronize()
            self.copied.value += count

    def use(self, device: torch.device, count: int) -> torch.Tensor:
        """Wait for the first `count` clips; the others come to the device as they are drawn, by a thread."""
        self.clips = torch.empty(self.host.shape, dtype=torch.uint8, device=device)
        while self.ready < count:
            if any(worker.exitcode for worker in self.workers):
                raise RuntimeError("drawing clips: a process ended")
            time.sleep(0.02)
            self.copy_new()
        if self.end > count:
            threading.Thread(target=self._keep_copying, daemon=True).start()
        return self.clips

    def _keep_copying(self) -> None:
        stream = torch.cuda.Stream(self.clips.device) if self.clips.is_cuda else None
        with torch.cuda.stream(stream):
            while True:
                self.copy_new()
                time.sleep(0.2)

    def close(self) -> None:
        for worker in self.workers:
            worker.terminate()
