"""A results tree made up for tests of tables, figures, comparisons and the report. Nobody's measurement.

Answers are drawn so that truths are known: zero-shot is near chance, each epoch is better, fp8 differs in a few
questions. Everything the paper reads is there, in the contract's format; scores come from the real scripts/score.py
module, verdicts from the real gate.
"""

import base64
import io
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.evaluate.accuracy import score
from roadtrain.evaluate.predictions import prediction_row, read_predictions
from roadtrain.evaluate.replies import Reply
from roadtrain.files import write_json
from roadtrain.paths import Paths
from roadtrain.spec.reading import read_spec

QUESTIONS = {
    "What is the weather in the scene?": ["Clear", "Rainy", "Snowy", "Foggy"],
    "What is the brightness of the scene?": ["Bright", "Dim", "Dark"],
    "What is the road surface condition?": ["Dry", "Wet"],
    "How many lanes does the road have?": ["One", "Two", "Four"],
    "Is there a guardrail?": ["Yes", "No"],
    "What is the traffic volume?": ["Light", "Usual", "Heavy"],
    "What is the color of the pedestrian's upper body clothing?": ["Red", "Blue", "White", "Black"],
    "In which direction does the pedestrian move?": ["Leftward", "Rightward", "Standing still"],
    "Is the pedestrian wearing a hat?": ["Yes", "No"],
    "Are there street lights?": ["Yes", "No"],
    "What is the age group of the pedestrian?": ["Child", "Adult", "Senior"],
    "Is there an obstacle on the road?": ["Yes", "No"],
}
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)> & \"quotes\" 'n' \u2028 {{ 7*7 }} $(x)"
CHANCE = {"zero_shot": 0.1, "epoch_1": 0.75, "epoch_2": 0.85, "epoch_3": 0.88}  # of knowing, else a guess
SPEC = {
    "run": "made-up",
    "data": {"root": "data/sample"},
    "model": "specs/sample/base",
    "train": {"engine": "local", "gpus": 0, "dtype": "float32"},
    "ablations": {
        "nframes8": {"vision": {"nframes": 8}},
        "fps1_8k": {"vision": {"fps": 1, "total_pixels": 8388608}},
    },
    "evaluate": {"engine": "local", "gpus": 0, "bootstrap_samples": 500},
    "quantize": {"precisions": ["fp8"], "max_accuracy_drop": 0.02},
}
SOFTWARE = {"torch": "2.13.0", "transformers": "5.17.0"}


def fabricate(
    root: Path, scenarios: int = 20, cameras: int = 2, frames: bool = True, hostile: bool = False, seed: int = 0
) -> Path:
    """Write the tree below `root`; returns the path of its spec.json."""
    spec = read_spec(SPEC, "fabricated")
    run, rng = Paths(spec.run), random.Random(seed)
    at = lambda path: root / path
    resolved = {}
    for name in spec.ablations:
        ablation = spec.ablation(name)
        more = {"vision": ablation.vision.settings(), "vision_name": ablation.vision.name, "spec_hash": spec.hash(name)}
        resolved[name] = ablation.model_dump(mode="json") | more
    write_json(at(run.spec), {"run": spec.run, "spec": spec.model_dump(mode="json"), "ablations": resolved})
    entries = {
        split: _entries(split, count, cameras, rng, hostile)
        for split, count in (("train", 2 * scenarios), ("val", scenarios))
    }
    for split, values in entries.items():
        write_entries(at(run.llava(split)), values)
    write_json(at(run.audit), _audit(entries))
    for name, ablation in resolved.items():
        for split, values in entries.items():
            _frames(root, run, split, ablation, values, frames)
        write_json(at(run.open_questions(name)), _open_questions(entries["val"], hostile))
        _ablation(root, run, name, ablation, entries, rng)
    return at(run.spec)


def _entries(split, scenarios, cameras, rng, hostile):
    result = []
    for s in range(scenarios):
        scenario = f"{split}_{s:04}"
        truth = {q: rng.choice(options) for q, options in QUESTIONS.items()}
        for camera in range(1, cameras + 1):
            stem = f"{scenario}_Camera{camera}_0"
            for n, (question, options) in enumerate(QUESTIONS.items()):
                shuffled = rng.sample(options, len(options))
                letters = dict(zip("ABCD", shuffled))
                text = HOSTILE if hostile and s == 0 and n == 0 else question
                if hostile and s == 0 and n == 1:
                    letters["A"] = letters["A"] if truth[question] == letters["A"] else HOSTILE
                answer = next(k for k, v in letters.items() if v == truth[question])
                result.append(
                    entry_json(
                        id=f"{stem}_{n}",
                        scenario=scenario,
                        video=f"{scenario}/overhead_view/{stem}.mp4",
                        type="environment",
                        phase="full_video",
                        human=multiple_choice(text, letters),
                        answer=answer,
                    )
                )
    return result


def _open_questions(values, hostile):
    said = {
        "zero_shot": "The video shows a road.",
        "epoch_3": HOSTILE if hostile else "A pedestrian crosses from the left.",
        "fp8": "",
    }
    videos = list(dict.fromkeys(value["video"] for value in values))[:2]
    asked = ["What happens in this video?", HOSTILE if hostile else "What should the driver do?"]
    pixel = "data:image/jpeg;base64," + base64.b64encode(_jpeg()).decode()
    items = [
        {"question": q, "video": v, "picture": pixel if v == videos[0] else None, "answers": said}
        for q in asked
        for v in videos
    ]
    return {"items": items, "checkpoints": dict.fromkeys(said, "0" * 64)}


def _jpeg():
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (1294, 72), (90, 120, 90)).save(out, "JPEG")
    return out.getvalue()


def _audit(entries):
    splits = {}
    for split, values in entries.items():
        videos, scenarios = {v["video"] for v in values}, {v["wts_id"] for v in values}
        splits[split] = {
            "scenarios": len(scenarios),
            "questions": len(values),
            "videos": {
                "referenced": len(videos) + 1,
                "good": len(videos),
                "bad": 1,
                "seconds": 6.5 * len(videos),
                "mean_seconds": 6.5,
                "frames": 160 * len(videos),
                "resolutions": {"320x192": len(videos)},
                "durations": {"5-10 s": len(videos)},
                "frame_rates": {"25": len(videos)},
                "codecs": {"h264": len(videos)},
            },
            "tasks": {"environment": {"scenarios": len(scenarios), "videos": len(videos), "entries": len(values)}},
            "left_out": {"total": 0, "listed": []},
            "bad_videos": {
                "total": 1,
                "kinds": {"missing": 1},
                "listed": [
                    {
                        "video": "x/overhead_view/x.mp4",
                        "kind": "missing",
                        "reason": "no such file",
                        "file": "x.json",
                        "path": "0",
                    }
                ],
            },
            "variable_frame_rate": {"total": 0, "listed": []},
            "contradictions": {"total": 0, "listed": []},
            "scenarios_without": {},
        }
    return {"source": "wts", "tasks": ["environment"], "splits": splits, "leaks": {"total": 0, "listed": []}}


def _frames(root, run, split, ablation, values, write):
    import numpy as np
    from safetensors.numpy import save_file

    vision, count = ablation["vision"], 8 if "nframes" in ablation["vision"] else 12
    height, width = (96, 160) if count == 8 else (64, 128)
    clips = []
    for n, video in enumerate(dict.fromkeys(v["video"] for v in values)):
        file = f"cache/frames/{n % 256:02x}/{ablation['vision_name']}_{split}_{n}.safetensors"
        clips.append(
            {
                "video": video,
                "start": None,
                "end": None,
                "file": file,
                "frames": count,
                "height": height,
                "width": width,
                "fps": 25.0,
                "frames_indices": list(range(0, count * 20, 20)),
                "total_num_frames": 160,
                "vision_tokens": count // 2 * (height // 32) * (width // 32),
            }
        )
        if write and split == "val":
            y, x = np.mgrid[:height, :width]
            pixels = np.stack(
                [[(x + 10 * t + 40 * n) % 256, (y * 2 + 30 * n) % 256, 0 * x + 20 * t] for t in range(count)]
            )
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            save_file({"frames": pixels.astype(np.uint8)}, root / file)
    index = {
        "vision": vision,
        "image_patch_size": 16,
        "reader": "decord",
        "software": SOFTWARE,
        "clips": clips,
        "left_out": [],
    }
    write_json(root / run.frames(ablation["vision_name"], split), index)


def _ablation(root, run, name, ablation, entries, rng):
    train, val = entries["train"], entries["val"]
    epochs = ablation["train"]["epochs"]
    steps = epochs * 20
    one = {"training_flops": 1e12, "seconds": 100.0, "gpu_hours": 0, "memory_gib_per_gpu": 0.4}
    write_json(
        root / run.preflight(name),
        {
            "model": ablation["model"],
            "sequences": "shared-video",
            "clips": {"total": 40, "left_out": []},
            "questions": len(train),
            "vision_tokens": {"min": 60, "mean": 60.0, "max": 60, "total": 2400},
            "longest_sequence": 700,
            "model_max_length": 2048,
            "epochs": epochs,
            "steps": steps,
            "gpus": 0,
            "estimate": {"shared-video": one, "per-question": one, "shared_video_saves": 4.2, "assumes": "x"},
            "checks": [{"name": "one-frame-rule", "ok": True, "found": "vision: nframes", "remedy": "-"}],
        },
    )
    (root / run.toml(name)).write_text('[policy]\nmodel_name_or_path = "specs/sample/base"\n')
    log = [
        {
            "step": s + 1,
            "epoch": s // 20 + 1,
            "loss": 1.4 * 0.95**s + 0.02 * rng.random(),
            "learning_rate": 1e-3 * (1 - s / steps),
            "grad_norm": 1.0,
            "questions": 96,
            "tokens": 5000,
        }
        for s in range(steps)
    ]
    (root / run.train_log(name)).write_text("".join(json.dumps(line) + "\n" for line in log))
    for n in range(epochs + 1):
        checkpoint = f"epoch_{n}" if n else "zero_shot"
        write_json(root / run.checkpoint(name, checkpoint), _manifest(run, name, ablation, checkpoint, n))
    answers = {c: _answers(val, knows, rng) for c, knows in CHANCE.items()}
    answers["fp8"] = {id: ("Z" if rng.random() < 0.01 else a) for id, a in answers[f"epoch_{epochs}"].items()}
    for checkpoint, given in answers.items():
        _predictions(root / run.predictions(name, checkpoint), root / run.llava("val"), given)
        source = {
            "checkpoint": checkpoint,
            "checkpoint_sha256": "0" * 64,
            "model": ablation["model"],
            "precision": "bfloat16",
            "vision": ablation["vision"],
            "engine": "local",
            "software": SOFTWARE,
        }
        write_json(root / run.predictions_source(name, checkpoint), source)
        result = score(read_predictions(root / run.predictions(name, checkpoint)), 500)
        write_json(
            root / run.accuracy(name, checkpoint),
            result | {"computed_from": source | {"spec_hash": ablation["spec_hash"]}},
        )
    best = f"epoch_{epochs}"
    accuracy = json.loads((root / run.accuracy(name, best)).read_text())["accuracy"]
    write_json(
        root / run.best(name),
        {
            "checkpoint": best,
            "epoch": epochs,
            "accuracy": accuracy,
            "manifest": run.checkpoint(name, best),
            "path": f"{run.weights(name)}/{best}",
        },
    )
    quantized = _manifest(run, name, ablation, "fp8", epochs) | {
        "precision": "fp8",
        "parent": best,
        "bytes": 5_000_000,
        "parent_bytes": 8_000_000,
        "size_ratio": 0.625,
        "quantized_layers": [f"model.language_model.layers.{n}.mlp.up_proj" for n in range(14)],
        "calibration_videos": 32,
    }
    write_json(root / run.quantized(name, "fp8"), quantized)
    from gate import verdict

    files = [run.predictions(name, best), run.predictions(name, "fp8")]
    outcome = verdict(*(read_predictions(root / f) for f in files), 0.02, *files)
    write_json(root / run.gate(name), {"baseline": best, "max_accuracy_drop": 0.02, "precisions": {"fp8": outcome}})
    for file in ("docker.sh", "compose.yaml", "nimservice.yaml", "deployment.yaml", "vss.env", "manifest.json"):
        (root / run.deploy(name, file)).parent.mkdir(exist_ok=True)
        (root / run.deploy(name, file)).write_text(
            "{}\n" if file.endswith("json") else f"# {file} of {name}\ndocker run <x> && true\n"
        )


def _manifest(run, name, ablation, checkpoint, epoch):
    more = (
        {"steps": 60, "questions": 480 * epoch, "device": "cpu", "seconds": 61.5 * epoch, "fingerprint": "f"}
        if epoch
        else {}
    )
    return {
        "checkpoint": checkpoint,
        "path": f"{run.weights(name)}/{checkpoint}",
        "sha256": f"{epoch:064}",
        "files": {},
        "precision": "bfloat16",
        "epoch": epoch,
        "step": 20 * epoch,
        "base_model": ablation["model"],
        "software": SOFTWARE,
    } | more


def _answers(values, knows, rng):
    """{id: response}: known, or a guess; a few in words and a few that can't be read."""
    given = {}
    hard = {v["wts_id"]: rng.betavariate(6, 2) for v in values}
    for value in values:
        letters = [c for c in "ABCD" if f"\n {c}: " in value["conversations"][0]["value"]]
        letter = (
            value["conversations"][1]["value"]
            if rng.random() < knows * (0.6 + 0.5 * hard[value["wts_id"]])
            else rng.choice(letters)
        )
        given[value["id"]] = rng.choices([letter, f"The answer is {letter}", "I cannot tell"], [0.96, 0.03, 0.01])[0]
    return given


def _predictions(path, llava, given):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [prediction_row(entry, Reply(given[entry.id])) for entry in read_questions(llava)]
    for line in lines:
        line["probabilities"] = _probabilities(line)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _probabilities(line):
    """Surer when right, but too sure when wrong. A generator of its own: the answers stay what they were."""
    rng, others = random.Random(line["id"] + str(line["answer"])), [c for c in line["options"] if c != line["answer"]]
    if line["answer"] not in line["options"]:
        return {c: round(1 / len(others), 6) for c in others}
    sure = rng.uniform(0.55, 0.99) if line["is_correct"] else rng.uniform(0.4, 0.9)
    return {c: round(sure if c == line["answer"] else (1 - sure) / len(others), 6) for c in line["options"]}


if __name__ == "__main__":
    print(fabricate(Path(sys.argv[1]), scenarios=int(sys.argv[2]) if len(sys.argv) > 2 else 20, hostile=True))
