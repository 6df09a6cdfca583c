"""scripts/ask_page.py's server on a free port, with the tiny base as both checkpoints."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ask_page
from roadtrain.deploy.serving import setting_of
from roadtrain.workers import JobLimits
from support import tiny
from support.evaluation import VISION

NAMES = ("zero <b>shot</b>", "trained")


@contextmanager
def serve_page(folder: Path, most: int) -> Iterator[ask_page.PageServer]:
    """`most`: bytes of an upload. Clips lie below `folder`/tmp while they are asked about."""
    patch = pytest.MonkeyPatch()
    (folder / "tmp").mkdir()
    patch.setattr(ask_page.tempfile, "tempdir", str(folder / "tmp"))
    setting = setting_of(str(tiny.BASE), json.dumps(VISION))
    checkpoints = ask_page.Checkpoints(dict.fromkeys(NAMES, setting), JobLimits(120, 4_000_000_000), 4)
    server = ask_page.PageServer(0, most=most)
    server.checkpoints = checkpoints
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        patch.undo()
