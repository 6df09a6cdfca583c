#!/usr/bin/env python3
"""What decoding a clip into the frame cache costs, by reader and codec: both published settings in one pass.

Renders a 1080p clip a codec (as bench_frames.py does), then decodes it --repeats times with each reader in turns, every time
in a process of its own with one thread. CPU seconds count (the best), without the start of the process; memory is the
peak of the process.

Output: bench_decode.json in --output-dir.

    PYTHONPATH=scripts python scripts/dev/bench_decode.py
"""

import argparse
import os
import platform
import re
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dev.bench_frames import SETTINGS, render
from dev.machine import cpu
from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.frames.decoding import decode
from roadtrain.frames.index import has_frames
from roadtrain.frames.jobs import Reader, decoder_software, decoding_jobs, inspect_video
from roadtrain.media import Medium

CODECS = {
    "H.264": ("libx264", {"preset": "veryfast"}),
    "HEVC": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    "AV1": ("libsvtav1", {"preset": "12"}),
}


def render_codec(path: Path, codec: str, seconds: float, rate: int = 30) -> None:
    """A still street with noise and a box that moves, 1920x1080."""
    render(path, seconds, rate, (1920, 1080), 0, *CODECS[codec])


def decode_once(path: str, reader: Reader) -> tuple[float, float, list[str]]:
    """(CPU seconds, peak GB, hash of each setting's frames or why there are none)."""
    import torch

    from roadtrain.frames.cache import read_header
    from roadtrain.frames.clip_writer import load_resizing

    torch.set_num_threads(1)
    load_resizing()
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as cache:
        settings = tuple(SETTINGS.values())
        (job,) = decoding_jobs([Medium(Path(path).name)], str(Path(path).parent), settings, cache, reader)
        inspection = inspect_video(job)
        start = time.process_time()
        rows = [row for (row,) in decode(inspection)]
        seconds = time.process_time() - start
        found = [read_header(str(row.get("file")))["sha256"] if has_frames(row) else str(row) for row in rows]
    return seconds, peak_gb(), found


def peak_gb() -> float:
    """Of this process. Linux's getrusage has that of the parent too, whose encoder takes more."""
    if not sys.platform.startswith("linux"):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9
    (kib,) = re.findall(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(kib) * 1024 / 1e9


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of a clip (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--codecs", default=",".join(CODECS), help="default: %(default)s")
    parser.add_argument("--output-dir", type=Path, default=Path("docs/figures"), help="default: docs/figures")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="roadtrain-decode-") as folder:
        for codec in args.codecs.split(","):
            clip = Path(folder, f"{codec}.mp4")
            render_codec(clip, codec, args.seconds)
            runs: dict[Reader, list[tuple[float, float, list[str]]]] = {"pyav": [], "decord": []}
            for _ in range(args.repeats):
                for reader, results in runs.items():
                    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                        results.append(pool.submit(decode_once, str(clip), reader).result())
            for reader, results in runs.items():
                rows.append(
                    {
                        "codec": codec,
                        "reader": reader,
                        "cpu_seconds": round(min(seconds for seconds, _, _ in results), 2),
                        "peak_gb": round(max(memory for _, memory, _ in results), 2),
                        "as_pyav": results[0][2] == runs["pyav"][0][2],
                        "found": results[0][2],
                    }
                )
                print(rows[-1], flush=True)
    machine = {"cpu": cpu(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    software = decoder_software("pyav") | decoder_software("decord") | {"python": platform.python_version()}
    command = (
        f"PYTHONPATH=scripts python scripts/dev/bench_decode.py --seconds {args.seconds:g} --repeats {args.repeats}"
    )
    write_json(
        args.output_dir / "bench_decode.json",
        {"command": command, "machine": machine, "software": software, "rows": rows},
    )


if __name__ == "__main__":
    main()
