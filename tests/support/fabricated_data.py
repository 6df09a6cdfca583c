"""Conversations, audit, frame indexes and open questions of the made-up run (fabricate.py)."""

import base64
import io
import random

from roadtrain.data.llava import entry_json, multiple_choice
from roadtrain.data.question_types import question_type
from roadtrain.data.sources.records import CAPTION_GROUPS, CAPTIONS
from roadtrain.files import write_json
from support.captions import caption

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
NO_LEAKS = {"total": 0, "listed": [], "scenarios": 0, "videos": 0}
SOFTWARE = {"torch": "2.13.0", "transformers": "5.17.0"}


def conversations(split, scenarios, cameras, rng, hostile, group_of=question_type):
    result = []
    for s in range(scenarios):
        scenario = f"{split}_{s:04}"
        truth = {q: rng.choice(options) for q, options in QUESTIONS.items()}
        for camera in range(1, cameras + 1):
            stem = f"{scenario}_Camera{camera}_0"
            for n, (question, options) in enumerate(QUESTIONS.items()):
                shuffled = rng.sample(options, len(options))
                letters = dict(zip("ABCD", shuffled, strict=False))
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
                        group=group_of(text),
                    )
                )
    return result


def caption_entries(values, hostile):
    """Both captions of a phase of each scenario's first camera."""
    videos = {value["wts_id"]: value["video"] for value in reversed(values)}
    result = []
    for n, (scenario, video) in enumerate(sorted(videos.items())):
        for key, text in CAPTIONS.items():
            extra = f" {HOSTILE}" if hostile and n == 0 else ""
            result.append(
                entry_json(
                    id=f"{scenario}_{key}",
                    scenario=scenario,
                    video=video,
                    type="caption",
                    phase="action",
                    human=f"<video> \n {text}",
                    answer=caption(random.Random(f"{scenario} {key}")) + extra,
                    question=text,
                    options={},
                    group=CAPTION_GROUPS[key],
                )
            )
    return result


def open_questions(values, hostile):
    answers = {
        "zero_shot": "The video shows a road.",
        "epoch_3": HOSTILE if hostile else "A pedestrian crosses from the left.",
        "fp8": "",
    }
    videos = list(dict.fromkeys(value["video"] for value in values))[:2]
    questions = ["What happens in this video?", HOSTILE if hostile else "What should the driver do?"]
    pixel = "data:image/jpeg;base64," + base64.b64encode(_jpeg()).decode()
    items = [
        {"question": q, "video": v, "picture": pixel if v == videos[0] else None, "answers": answers}
        for q in questions
        for v in videos
    ]
    return {"items": items, "checkpoints": dict.fromkeys(answers, "0" * 64)}


def _jpeg():
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (1294, 72), (90, 120, 90)).save(out, "JPEG")
    return out.getvalue()


def audit(entries, source="wts"):
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
    return {"source": source, "tasks": ["environment"], "splits": splits, "leaks": NO_LEAKS}


def write_frames(root, run, split, ablation, values, write):
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
