"""A small public test of WTS's: a scenario of two views, a normal one, a video of BDD_PC_5K; questions and phases of each."""

from pathlib import Path

from roadtrain.data.sources.wts_test_captions import CHALLENGE, PLACES
from support.annotations import mcq, video, write

SCENARIO, NORMAL, EXTERNAL = "20230707_1_SN1_T1", "20231013_105827_normal_192.168.0.14_1_event_2", "video11"
TASKS = ("environment", "caption", "bdd_caption")
DATA = {"files": {"test": "questions.json"}, "captions": "all"}


def window(label: str, start=0.0, end=1.0, **more) -> dict:
    return {"labels": [label], "start_time": f"{start}", "end_time": f"{end}", **more}


def videos(name: str) -> dict[str, list[str]]:
    """{view: names}."""
    if name == EXTERNAL:
        return {"": [f"{name}.mp4"]}
    if name == NORMAL:
        return {"overhead_view": [f"{name}.mp4"]}
    return {"overhead_view": [f"{name}_Camera{n}_0.mp4" for n in (1, 2)], "vehicle_view": [f"{name}_vehicle_view.mp4"]}


def phase_file(root: Path, name: str, view="overhead_view", challenge=CHALLENGE) -> Path:
    if name == EXTERNAL:
        return root / PLACES["bdd_caption"] / challenge / f"{name}_caption.json"
    folder = f"normal_trimmed/{name}" if name == NORMAL else name
    return root / PLACES["caption"] / challenge / folder / view / f"{name}_caption.json"


def video_file(root: Path, name: str, view: str, file: str) -> Path:
    if name == EXTERNAL:
        return root / "external/BDD_PC_5K/videos/test/public" / file
    folder = f"normal_trimmed/{name}" if name == NORMAL else name
    return root / "videos/test/public" / folder / view / file


def public_test(root: Path, labels=("4", "0"), challenge=CHALLENGE, real=True) -> None:
    """`real`: with videos, else empty files of their names."""
    questions = []
    for name in (SCENARIO, NORMAL, EXTERNAL):
        phases = [window(label, n, n + 1) for n, label in enumerate(labels)]
        for view, names in videos(name).items():
            key = {"": "video_name", "overhead_view": "overhead_videos"}.get(view, view)
            value = names[0] if key in ("video_name", "vehicle_view") else names
            write(phase_file(root, name, view, challenge), {"id": 7, key: value, "event_phase": phases, "fps": 30})
            for shade, file in enumerate(names):
                path = video_file(root, name, view, file)
                video(path, shade=40 * shade) if real else write(path, b"")
        asked = [file for names in videos(name).values() for file in names]
        rows = [{key: value for key, value in mcq(id=f"q{name}").items() if key != "correct"}]
        questions.append({"videos": asked[:2], "conversations": rows})
    write(root / "questions.json", questions)
