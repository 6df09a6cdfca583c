"""What run_vllm.sh needs of a finished sample run, as one .tar.xz with the project's own paths: prepare_vllm.sh calls it in a copy of
the run.

    python scripts/dev/gpu/vllm_data.py sample.tar.xz
"""

import json
import sys
import tarfile
from pathlib import Path

from roadtrain import cli

RESULTS = Path("results/sample")
WHOLE = [
    RESULTS / "spec.json",
    RESULTS / "data/val.llava.json",
    RESULTS / "nframes8/best.json",
    RESULTS / "nframes8/checkpoints",
    RESULTS / "nframes8/quantized",
    RESULTS / "nframes8/predictions",
    RESULTS / "fps2/best.json",
    RESULTS / "fps2/checkpoints",
    RESULTS / "fps2/predictions/epoch_2.jsonl",
    RESULTS / "lora16/checkpoints",
    RESULTS / "frames/nframes8_min4096_max17408/val.json",
    Path("data/sample/videos/val"),
    *(Path("weights/sample/nframes8", name) for name in ("epoch_2", "fp8", "fp8_dynamic", "nvfp4", "fp8_kv")),
    Path("weights/sample/lora16/epoch_1"),
    Path("weights/sample/fps2/epoch_2"),
]


@cli.main
def main() -> None:
    index = json.loads((RESULTS / "frames/nframes8_min4096_max17408/val.json").read_text())
    with tarfile.open(sys.argv[1], "w:xz", dereference=True) as tar:
        for path in [*WHOLE, *(Path(clip["file"]) for clip in index["clips"])]:
            tar.add(path)


if __name__ == "__main__":
    main()
