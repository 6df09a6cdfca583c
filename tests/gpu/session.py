"""cosmos-rl on a real GPU, in phases; what each found goes to OUT/report.json as soon as it is known.

    machine    GPUs, driver, software
    tiny       the sample through the rule's own command, cosmos-rl's epochs exported and verified
    local      the same TOML, data and seed with the local engine (its own transformers): the curves side by side
    evaluate   every epoch of both asked the validation questions
    big        2B weights at random, per question and shared, a few steps without checkpoints: questions a second
    two        the sample on two GPUs (skipped where there is one)

A phase that fails says so in the report; the next one runs.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
os.chdir(ROOT)
TOML = Path("results/gpu/nframes8/sft.toml")
FRAMES = Path("results/gpu/frames/nframes8_min4096_max17408")
PROMPT = "You are a helpful assistant."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phases", nargs="*", default=list(PHASES), help="all of them")
    parser.add_argument("--site", type=Path, required=True, help="where cosmos-rl's packages are")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    report: dict = {}
    for name in args.phases:
        began = time.monotonic()
        print(f"=== {name}", flush=True)
        try:
            report[name] = PHASES[name](args)
        except Exception as error:  # the report is what counts
            traceback.print_exc()
            report[name] = {"failed": f"{type(error).__name__}: {error}"[-2000:]}
        report[name]["wall_seconds"] = round(time.monotonic() - began, 1)
        (args.out / "report.json").write_text(json.dumps(report, indent=2))
        print(json.dumps(report[name], indent=2), flush=True)


def run(args, *command, cosmos: bool = False, timeout: float = 420, **more: str) -> None:
    """A program of ours; with cosmos-rl's packages in front when it needs them."""
    paths = [str(args.site)] if cosmos else []
    env = os.environ | more | {"PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])}
    subprocess.run([sys.executable, *map(str, command)], env=env, timeout=timeout, check=True)


def toml(name: str, **changes: str) -> Path:
    """The rendered TOML with lines changed."""
    text = TOML.read_text()
    for key, value in changes.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    path = TOML.with_name(f"{name}.toml")
    path.write_text(text)
    return path


def train(args, engine: str, name: str, path: Path) -> list[dict]:
    """Exactly the command of rules/train.smk."""
    weights, results = Path("weights/gpu", name), Path("results/gpu", name)
    run(
        args, f"scripts/train_{engine}.py", "--toml", path, "--weights", weights, "--manifests", results / "checkpoints",
        "--log", results / "train_log.jsonl", "--threads", os.cpu_count(), cosmos=engine == "cosmos_rl",
    )  # fmt: skip
    shutil.copy(results / "train_log.jsonl", args.out / f"{name}.jsonl")
    return [json.loads(line) for line in (results / "train_log.jsonl").read_text().splitlines()]


def machine(args) -> dict:
    asked = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"], capture_output=True, text=True)
    import torch

    return {"gpus": asked.stdout.splitlines(), "torch": torch.__version__, "python": sys.version.split()[0]}


def tiny(args) -> dict:
    log = train(args, "cosmos_rl", "cosmos", TOML)
    seconds = json.loads(Path("weights/gpu/cosmos/epoch_3.json").read_text())["seconds"]
    return {"steps": len(log), "first_loss": log[0]["loss"], "last_loss": log[-1]["loss"], "seconds": seconds}


def local(args) -> dict:
    ours = train(args, "local", "local", toml("local", engine='"local"'))
    theirs = [json.loads(line) for line in (args.out / "cosmos.jsonl").read_text().splitlines()]
    pairs = list(zip(ours, theirs, strict=True))
    assert all(a["step"] == b["step"] and a["questions"] == b["questions"] for a, b in pairs)
    apart = [abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in pairs]
    return {
        "steps": len(pairs), "relative_difference_of_loss": {"first": apart[0], "mean": sum(apart) / len(apart), "max": max(apart)},
        "learning_rates_equal": all(abs(a["learning_rate"] - b["learning_rate"]) < 1e-12 for a, b in pairs),
        "grad_norm_first": [ours[0]["grad_norm"], theirs[0]["grad_norm"]],
    }  # fmt: skip


def evaluate(args) -> dict:
    found = {}
    for name in ("cosmos", "local"):
        for n in (1, 2, 3):
            rows = Path(f"results/gpu/{name}/predictions/epoch_{n}.jsonl")
            run(
                args, "scripts/evaluate_local.py", "--checkpoint", f"results/gpu/{name}/checkpoints/epoch_{n}.json",
                "--llava", "results/gpu/data/val.llava.json", "--frames", FRAMES / "val.json", "--system-prompt", PROMPT,
                "--predictions", rows, "--source", rows.with_suffix(".source.json"),
            )  # fmt: skip
            right = [json.loads(line)["is_correct"] for line in rows.read_text().splitlines()]
            found[f"{name}/epoch_{n}"] = {"questions": len(right), "accuracy": sum(right) / len(right)}
    return found


def big(args, clips: int = 8, questions: int = 16, steps: int = 4) -> dict:
    """Qwen3-VL-2B's sizes. The tiny base's tokenizer: its words are short, so the prompts are made of ~80 of them."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, Qwen3VLForConditionalGeneration

    here, base = Path("weights/gpu/big"), Path("specs/sample/base")
    shutil.copytree(base, here, dirs_exist_ok=True)
    config = AutoConfig.from_pretrained(base)
    for key, value in dict(hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8,
                           head_dim=128, vocab_size=151936, max_position_embeddings=32768).items():  # fmt: skip
        setattr(config.text_config, key, value)
    rope = {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"}
    config.text_config.rope_scaling, config.text_config.rope_theta = rope, 5e6
    config.text_config.rope_parameters = rope | {"rope_theta": 5e6}
    for key, value in dict(hidden_size=1024, intermediate_size=4096, depth=24, num_heads=16, out_hidden_size=2048, num_position_embeddings=2304,
                           deepstack_visual_indexes=[5, 11, 17]).items():  # fmt: skip
        setattr(config.vision_config, key, value)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = Qwen3VLForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(here)
    written = json.loads((here / "config.json").read_text())
    written["text_config"] |= {"rope_scaling": rope, "rope_theta": 5e6}  # as transformers 4.57 reads them
    (here / "config.json").write_text(json.dumps(written, indent=2))
    count = sum(p.numel() for p in model.parameters())
    del model
    torch.cuda.empty_cache()

    rows, entries = [], []
    for n in range(clips):
        file = Path(f"cache/frames/big/{n}.safetensors")
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({"frames": torch.randint(0, 256, (8, 3, 640, 1152), dtype=torch.uint8)}, file)
        rows.append({"video": f"{n}.mp4", "start": None, "end": None, "file": str(file), "frames": 8, "height": 640, "width": 1152,
                     "fps": 30.0, "frames_indices": [n * 321 for n in range(8)], "total_num_frames": 2250, "vision_tokens": 2880})  # fmt: skip
        for k in range(questions):
            human = f"<video> \n {'what is the weather now ' * 8}{k} \n A: yes \n B: no \n \nAnswer with the option's letter from the given choices directly."
            entries.append({"id": f"{n}_{k}", "wts_id": str(n), "video": f"{n}.mp4", "type": "t", "phase": "full_video",
                            "conversations": [{"from": "human", "value": human}, {"from": "gpt", "value": "AB"[k % 2]}]})  # fmt: skip
    data = Path("results/gpu/big")
    data.mkdir(parents=True, exist_ok=True)
    (data / "train.json").write_text(json.dumps({"vision": {"nframes": 8}, "reader": "decord", "clips": rows, "left_out": []}))
    (data / "train.llava.json").write_text(json.dumps(entries))
    found: dict = {"parameters": count}
    for kind in ("shared-video", "per-question"):
        changes = {
            "annotation_path": f'"{data}/train.llava.json"', "frames_index": f'"{data}/train.json"', "kind": f'"{kind}"',
            "model_name_or_path": f'"{here.absolute()}"', "output_dir": f'"weights/gpu/{kind}"', "enable_checkpoint": "false", "epoch": "1",
            "train_batch_per_replica": str(clips * questions // steps), "model_max_length": "16384",
        }  # fmt: skip
        found[kind] = bench(args, kind, toml(kind, **changes), steps)
    fast, slow = (found[kind]["questions_a_second"] for kind in ("shared-video", "per-question"))
    return found | {"shared_video_is_faster": fast / slow}


def bench(args, kind: str, path: Path, steps: int) -> dict:
    """Steps without checkpoints (26 GB of state): cosmos-rl by itself, ended when the last step is in the log."""
    from roadtrain import cosmos_process, process_tree

    process_tree.adopt_orphans()
    folder = Path("weights/gpu", kind).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    env = cosmos_process.environment(folder, folder / "train_log.jsonl", folder / "alive", os.cpu_count())
    env["PYTHONPATH"] = os.pathsep.join([str(args.site), env["PYTHONPATH"]])
    command = [sys.executable, "-m", "roadtrain.cosmos_main", "--config", path, "scripts/cosmos_sft.py"]
    with open(args.out / f"{kind}.log", "w") as log:
        process = subprocess.Popen(list(map(str, command)), env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline, times = time.monotonic() + 200, folder / "train_times.jsonl"
        while time.monotonic() < deadline and process.poll() is None:
            if times.exists() and times.read_text().count("\n") >= steps:
                break
            time.sleep(0.5)
    finally:
        process_tree.end_descendants()
    seconds = [json.loads(line)["seconds"] for line in times.read_text().splitlines()]
    asked = [json.loads(line)["questions"] for line in (folder / "train_log.jsonl").read_text().splitlines()]
    assert len(seconds) >= 2, "fewer than two steps: see the log"
    return {"seconds": seconds, "questions": asked, "questions_a_second": sum(asked[1:]) / sum(seconds[1:])}  # the first step warms up


def two(args) -> dict:
    import torch

    if torch.cuda.device_count() < 2:
        return {"skipped": "one GPU"}
    log = train(args, "cosmos_rl", "two", toml("two", dp_shard_size="2", train_batch_per_replica="12"))
    one = [json.loads(line) for line in (args.out / "cosmos.jsonl").read_text().splitlines()]
    apart = [abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in zip(one, log, strict=True)]
    return {"steps": len(log), "relative_difference_of_loss": {"first": apart[0], "mean": sum(apart) / len(apart), "max": max(apart)}}


PHASES = {"machine": machine, "tiny": tiny, "local": local, "evaluate": evaluate, "big": big, "two": two}

if __name__ == "__main__":
    main()
