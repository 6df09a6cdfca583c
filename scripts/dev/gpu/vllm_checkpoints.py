"""Further checkpoints of a finished sample run, made on a CPU with the project's own programs: prepare_vllm.sh calls it in a copy of
the run. Quantized ones of the best nframes8 epoch, an adapter, and what the local engine answers to each.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from roadtrain import cli
from roadtrain.files import read_json, write_json
from roadtrain.train.toml_config import replace_values

RESULTS, WEIGHTS = Path("results/sample/nframes8"), Path("weights/sample/nframes8")
FRAMES = Path("results/sample/frames/nframes8_min4096_max17408")
PROMPT = "You are a helpful assistant."
VIDEOS = 90  # that the adapter is trained on, once: some minutes
QUANTIZED = {"fp8_dynamic": ("fp8_dynamic", "none"), "nvfp4": ("nvfp4", "none"), "fp8_kv": ("fp8", "fp8")}
LORA = """[custom.lora]
rank = 16
alpha = 32.0
dropout = 0.0
targets = ["language"]
rslora = false
merge = false

[custom.dataset]"""


@cli.main
def main() -> None:
    for name, (precision, kv_cache) in QUANTIZED.items():
        manifest = RESULTS / f"quantized/{name}.json"
        if not manifest.exists():
            settings = json.dumps({"calibration_videos": 32, "kv_cache": kv_cache})
            best = {"best": RESULTS / "best.json", "precision": precision, "quantize": settings}
            data = {"llava": "results/sample/data/train.llava.json", "frames": FRAMES / "train.json"}
            run("quantize.py", **best, **data, system_prompt=PROMPT, weights=WEIGHTS / name, manifest=manifest)
        answer(manifest, name)
    manifest = Path("results/sample/lora16/checkpoints/epoch_1.json")
    if not manifest.exists():
        train_adapter(manifest)
    answer(manifest, "lora16")


def train_adapter(manifest: Path) -> None:
    """LoRA of rank 16 on the language model, an epoch over few videos."""
    entries = read_json("results/sample/data/train.llava.json")
    videos = list(dict.fromkeys(entry["video"] for entry in entries))[:VIDEOS]
    few = Path("results/sample/lora16/train.llava.json")
    write_json(few, [entry for entry in entries if entry["video"] in videos])
    toml = few.with_name("sft.toml")
    changes = {"annotation_path": f'"{few}"', "optimizer": '"AdamW"', "optm_lr": "0.001", "epoch": "1"}
    changes |= {"optm_warmup_steps": "10", "optm_warmup_start_factor": "0.1"}
    changes |= {"output_dir": '"weights/sample/lora16/cosmos-rl"'}
    text = replace_values((RESULTS / "sft.toml").read_text(), changes, toml)
    text = re.sub(
        r"(?m)^\[custom.local.learning_rates\].*\n(?:\w+ = .*\n)*", "", text
    )  # of the embeddings, which are frozen
    toml.write_text(text.replace("[custom.dataset]", LORA, 1))
    weights, log = "weights/sample/lora16", few.with_name("train_log.jsonl")
    run("train_local.py", toml=toml, weights=weights, manifests=manifest.parent, log=log)


def answer(manifest: Path, name: str) -> None:
    """The local engine's answers on this CPU, if they aren't there."""
    predictions = RESULTS / f"predictions/{name}.jsonl"
    if not predictions.exists():
        data = {"llava": "results/sample/data/val.llava.json", "frames": FRAMES / "val.json", "system_prompt": PROMPT}
        outputs = {"predictions": predictions, "source": predictions.with_suffix(".source.json")}
        run("evaluate_local.py", checkpoint=manifest, **data, **outputs)


def run(program: str, **options: object) -> None:
    """A program of the project, with as many threads as OMP_NUM_THREADS says."""
    options |= {"threads": os.environ.get("OMP_NUM_THREADS", "1")}
    words = [str(word) for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
    subprocess.run([sys.executable, f"scripts/{program}", *words], check=True)


if __name__ == "__main__":
    main()
