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
CHECKPOINTS = {
    "nframes8": ("epoch_2", "fp8", "fp8_dynamic", "nvfp4", "fp8_kv"),
    "fps2": ("epoch_2", "fp8"),
    "lora16": ("epoch_1",),
}
WHOLE = [
    RESULTS / "spec.json",
    RESULTS / "data/val.llava.json",
    *(RESULTS / name / part for name in ("nframes8", "fps2") for part in ("best.json", "quantized", "predictions")),
    *(RESULTS / name / "checkpoints" for name in CHECKPOINTS),
    *(RESULTS / "frames" / name / "val.json" for name in ("nframes8_min4096_max17408", "fps2_min4096_total98304")),
    Path("data/sample/videos/val"),
    *(
        Path("weights/sample", name, checkpoint)
        for name, checkpoints in CHECKPOINTS.items()
        for checkpoint in checkpoints
    ),
]


@cli.main
def main() -> None:
    index = json.loads((RESULTS / "frames/nframes8_min4096_max17408/val.json").read_text())
    with tarfile.open(sys.argv[1], "w:xz", dereference=True) as tar:
        for path in [*WHOLE, *(Path(clip["file"]) for clip in index["clips"])]:
            tar.add(path)


if __name__ == "__main__":
    main()
