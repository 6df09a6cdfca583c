"""A small tree in TAR's layout (its public data card): ten files of annotations, and rendered videos where asked for."""

from pathlib import Path

from roadtrain.data.sources.tar import FORMAT, TASKS
from support.annotations import write
from support.clips import render

REASONING = "The box enters from the left and moves steadily."
CHOICE = "Which way does it move?\nA) To the left\nB) To the right\nC) It rests\nD) Upwards\nAnswer with the letter."
QUESTIONS = {  # {task: (question, answer)}
    "bcq": ("Does the box move?\nAnswer with Yes or No.", "Yes"),
    "bcq_openended": ("Does the box rest? Explain.", "No. The box moves to the right."),
    "mcq": (CHOICE, "B) To the right"),
    "mcq_openended": (CHOICE, "B) To the right. It enters from the left."),
    "open_qa": ("What does the box do?", "It moves to the right across the road."),
    "scene_description": ("Describe the scene.", "A box on a noisy road."),
    "video_summarization": ("Summarize the video.", "A box crosses the road from left to right."),
    "temporal_localization": ("When does it cross the middle?", '{"start": "00:00", "end": "00:01"}'),
    "temporal_description": ("What happens from 00:00 to 00:01?", "The box crosses the middle."),
    "causal_linkage": ("Why is it at the right at 00:01?", "Because it moved there since 00:00."),
}


def item(task: str, video: str, **more) -> dict:
    question, answer = QUESTIONS[task]
    return {"video_id": video, "question": question, "answer": answer, "reasoning": REASONING} | more


def document(task: str, items: list, **more) -> dict:
    metadata = {"type": "annotation", "task": task, "license": "CC-BY-4.0"}
    return {"format": FORMAT, "metadata": metadata, "media_root": None, "items": items} | more


def videos(count: int) -> list[str]:
    return [f"Set{n % 2}/clips/{n:06}.mp4" for n in range(count)]


def write_tar(root: Path, count: int = 3, tasks: tuple[str, ...] = TASKS, rendered: bool = False, **more) -> Path:
    """Every task about each of some videos. `rendered`: these lie in root/videos. `more`: keys of every item."""
    for task in tasks:
        write(root / f"train/{task}.json", document(task, [item(task, video, **more) for video in videos(count)]))
    for n, video in enumerate(videos(count) if rendered else ()):
        render(root / "videos" / video, frames=12, seed=n)
    return root
