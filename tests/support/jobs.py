"""Jobs that get on, hang, crash or take too much memory."""

import gc
import os
import time

from roadtrain.workers import report_progress

CRASHES, RAISES, HANGS, GETS_ON, EATS = 13, 99, 60, 61, 80


def square(number: int) -> int:
    if number == CRASHES:
        os._exit(9)  # as a decoder's crash or the kernel's OOM killer ends a process
    if number == RAISES:
        raise ValueError("ninety-nine")
    if number == HANGS:
        time.sleep(3600)
    if number == GETS_ON:
        for _ in range(30):
            time.sleep(0.1)
            report_progress()
    if number == EATS:
        return len(bytearray(10**9))
    return number * number


def process_id(_: int) -> int:
    return os.getpid()


def collect(_: int) -> str:
    gc.collect()
    return "collected"


def fail(_: int) -> None:
    raise BlockingIOError(11, "no thread could be started")
