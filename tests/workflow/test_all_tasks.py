"""Every task of WTS, BDD_PC_5K and the public test in one spec, through the local engine to a submission."""

import csv
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from roadtrain.data.llava import read_questions
from roadtrain.data.sources.wts_test_captions import submitted_phases
from roadtrain.evaluate.caption_predictions import LABELS
from roadtrain.evaluate.captions import read_caption_submission
from roadtrain.frames.index import FrameIndex
from roadtrain.sample.tree import SampleSpec, Scenario, sample_scenarios
from support.annotations import write
from support.programs import tools
from support.public_test import EXTERNAL, phase_file, video_file
from support.workflow import ROOT as PROJECT
from support.workflow import copy_project, must_run, planned, read, snakemake, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TASKS = ["environment", "overhead_view", "vehicle_view", "caption", "bdd_vqa", "bdd_caption"]
VISION = {"nframes": 2, "min_pixels": 4096, "max_pixels": 8192}
ROOT, TEST = "data/wts", "WTS_VQA_PUBLIC_TEST.json"  # as docs/ai-city.md has them


def questions(record: dict, name: str) -> list[dict]:
    """The test's form of a record: questions with an id and without their answer."""
    return [{key: row[key] for key in row if key != "correct"} | {"id": f"{name}-{n}"} for n, row in enumerate(record)]


def commands_of_the_page(section: str) -> list[str]:
    """What docs/ai-city.md has its reader type, in order."""
    page = (PROJECT / "docs/ai-city.md").read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [line.strip() for line in page.splitlines() if re.match(r" {4,}(snakemake|python) ", line)]


def run_command(work: Path, command: str) -> str:
    """As it stands in the page, but for the spec: a small one that has its keys."""
    words = shlex.split(command.replace("specs/ai-city.yaml", "spec.yaml"))
    process = subprocess.run(words, cwd=work, env=tools(), capture_output=True, text=True, timeout=900)
    assert process.returncode == 0, f"{command}\n{process.stdout[-3000:]}\n{process.stderr[-3000:]}"
    return process.stdout


def write_phases(root: Path, scenario: Scenario, overhead: Path) -> None:
    """The scenario's phases, without references, as the test's; and BDD_PC_5K's, once, about the same video."""
    caption = read(root / scenario.caption_path("overhead_view"))
    caption["overhead_videos"] = list(scenario.overhead[:2])
    for phase in caption["event_phase"]:
        del phase["caption_pedestrian"], phase["caption_vehicle"]
    write(phase_file(root, scenario.name), caption)
    video = video_file(root, EXTERNAL, "", f"{EXTERNAL}.mp4")
    if not video.exists():
        video.parent.mkdir(parents=True)
        shutil.copy(overhead, video)
        write(phase_file(root, EXTERNAL), {"video_name": video.name, "event_phase": caption["event_phase"]})


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Four scenarios a split, each with fewer questions; some of their videos are also BDD_PC_5K's and the test's."""
    import make_sample

    work = copy_project(tmp_path_factory.mktemp("all"))
    root, spec = work / ROOT, SampleSpec(0, 4, 4)
    make_sample.make_sample(spec, root, workers=2)
    for file in (root / "annotations").rglob("*.json"):  # fewer questions: CI's time
        text = read(file)
        record = text[0] if isinstance(text, list) else text
        for key, most in (("environment", 3), ("event_phase", 1), ("overhead_videos", 1)):
            if key in record:
                record[key] = record[key][:most]
        write(file, text)
    bdd, answers, test = root / "external/BDD_PC_5K", {}, []
    for number, scenario in enumerate(sample_scenarios(spec)):
        overhead = root / scenario.video_path("overhead_view", scenario.overhead[0])
        phases = read(root / scenario.vqa_path("overhead_view"))[0]["event_phase"]
        if number % 4 == 0:  # one of each split
            name = f"video{number}.mp4"
            (bdd / f"videos/{scenario.split}").mkdir(parents=True)
            shutil.copy(overhead, bdd / f"videos/{scenario.split}/{name}")
            write(
                bdd / f"annotations/vqa/{scenario.split}/video{number}.json",
                {"video_name": name, "event_phase": phases},
            )
            caption = read(root / scenario.caption_path("overhead_view"))["event_phase"][:1]
            file = bdd / f"annotations/{scenario.split}/video{number}_caption.json"
            write(file, {"video_name": name, "event_phase": caption})
        if scenario.split == "val" and scenario.environment and len(test) < 4:
            places = root / f"videos/test/{scenario.name}/overhead_view"
            shutil.copytree(overhead.parent, places)
            record = read(root / scenario.vqa_path("environment"))[0]["environment"]
            test.append({"videos": list(scenario.overhead[:2]), "conversations": questions(record, f"q{number}")})
            answers |= {f"q{number}-{n}": row["correct"] for n, row in enumerate(record)}
            of_phase = [
                p | {"conversations": questions(p["conversations"], f"p{number}{k}")} for k, p in enumerate(phases)
            ]
            answers |= {
                f"p{number}{k}-{n}": row["correct"]
                for k, p in enumerate(phases)
                for n, row in enumerate(p["conversations"])
            }
            test.append({"videos": [scenario.overhead[0]], "event_phase": of_phase})
            write_phases(root, scenario, overhead)
    write(root / TEST, test)
    write(work / "truth.json", answers)
    write_spec(
        work,
        {
            "run": "ai-city",
            "data": {"root": ROOT, "tasks": TASKS, "sample": None, "captions": "all", "files": {"test": TEST}},
            "train": {"epochs": 1},
            "evaluate": {"max_new_tokens": 2, "captions": {"max_new_tokens": 4}},
            "ablations": {"nframes8": {"vision": VISION}, "fps2": None},
        },
    )
    for command in commands_of_the_page("From the download to both files"):
        run_command(work, command)
    return work


def test_every_task_is_converted_and_counted(work):
    splits = read(work / "results/ai-city/data/audit.json")["splits"]
    assert set(splits["train"]["tasks"]) == set(splits["val"]["tasks"]) == set(TASKS)
    assert set(splits["test"]["tasks"]) == {"environment", "overhead_view", "caption", "bdd_caption"}
    assert "| train | bdd\\_vqa |" in (work / "results/ai-city/data/audit.md").read_text()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_phase_questions_see_the_frames_of_their_phase_only(work, split):
    index = FrameIndex.load(work / f"results/ai-city/frames/nframes2_min4096_max8192/{split}.json")
    windows = 0
    for question in read_questions(work / f"results/ai-city/data/{split}.llava.json"):
        medium = question.clip.first
        row = index.row(medium)
        if medium.start is not None:
            windows += 1
            assert question.phase != "full_video" and medium.start < medium.end
            seconds = [number / row["fps"] for number in row["frames_indices"]]
            assert medium.start - 1e-6 <= min(seconds) and max(seconds) <= medium.end + 1e-6
    assert windows >= 2


def test_every_question_of_every_task_is_trained_and_asked(work):
    train = list(read_questions(work / "results/ai-city/data/train.llava.json"))
    steps = [
        json.loads(line) for line in (work / "results/ai-city/nframes8/train_log.jsonl").read_text().split("\n") if line
    ]
    assert sum(step["questions"] for step in steps) == len(train)
    rows = [
        json.loads(line)
        for line in (work / "results/ai-city/nframes8/predictions/epoch_1.jsonl").read_text().split("\n")
        if line
    ]
    val = [entry.id for entry in read_questions(work / "results/ai-city/data/val.llava.json")]
    assert [row["id"] for row in rows] == val and all(row["response"] is not None for row in rows)


def official(truth: list[dict], submission: list[dict]) -> tuple[int, int]:
    """(correct, missing) by the rules of eval-metrics-AIC-Track2_VQA: by id, case ignored, what is missing is wrong."""
    letters = {item["id"]: item["correct"].lower() for item in submission}
    return sum(letters.get(i["id"]) == i["correct"].lower() for i in truth), sum(i["id"] not in letters for i in truth)


def test_the_submission_is_what_the_official_evaluation_reads(work):
    submission = read(work / "results/ai-city/nframes8/submission/submission.json")
    truth = [{"id": id, "correct": letter} for id, letter in read(work / "truth.json").items()]
    assert all(list(item) == ["id", "correct"] and item["correct"] in list("abcd") for item in submission)
    assert {item["id"] for item in submission} <= {item["id"] for item in truth}
    lines = (work / "results/ai-city/nframes8/submission/predictions.jsonl").read_text().split("\n")
    rows = [json.loads(line) for line in lines if line]
    entries = {entry.id: entry for entry in read_questions(work / "results/ai-city/data/test.llava.json")}
    single = {(entries[row["id"]].question_id or row["id"]): row["answer"] for row in rows if "@" not in row["id"]}
    right = sum(single[item["id"]] == item["correct"].upper() for item in truth if item["id"] in single)
    alone = [item for item in truth if item["id"] in single]
    assert official(alone, submission)[0] == right and len(alone) > 3
    assert official(truth, submission)[1] == len(truth) - len(submission)


def test_every_phase_of_the_test_has_its_captions(work):
    """WTS's and BDD_PC_5K's, in the challenge's form, and every camera in the table."""
    captions = read_caption_submission(str(work / "results/ai-city/nframes8/submission/captions.json"))
    assert {name: [label for label, _ in rows] for name, rows in captions.items()} == {
        name: [LABELS.get(label, label) for label in labels]
        for name, labels in submitted_phases(str(work / ROOT), ("caption", "bdd_caption")).items()
    }
    assert EXTERNAL in captions and len(captions) > 2
    rows = list(csv.DictReader((work / "results/ai-city/nframes8/submission/merged.csv").open()))
    assert {row["kind"] for row in rows} == {"question", "caption"}
    assert sum(row["kind"] == "caption" for row in rows) == 2 * sum(map(len, captions.values()))


def test_by_hand_the_page_writes_the_same_form(work):
    """Its commands have run in the fixture: both files once more, from the same predictions."""
    by_hand = read_caption_submission(str(work / "captions.json"))
    assert (
        by_hand.keys()
        == read_caption_submission(str(work / "results/ai-city/nframes8/submission/captions.json")).keys()
    )
    assert len(read(work / "answers.json")) >= len(read(work / "results/ai-city/nframes8/submission/submission.json"))


def test_the_pages_other_commands_run_too(work):
    for command in commands_of_the_page("Score captions and answers"):
        if "right.json" in command:
            write(
                work / "right.json", [{"id": id, "correct": letter} for id, letter in read(work / "truth.json").items()]
            )
        assert "captions: " in run_command(work, command)
    assert read(work / "score.json")["s2"] >= 0


def test_no_answer_of_the_test_is_in_the_conversations(work):
    assert all(entry.answer == "" for entry in read_questions(work / "results/ai-city/data/test.llava.json"))


def test_a_second_run_has_nothing_to_do(work):
    assert "Nothing to be done" in must_run(work, "submission")
    assert "make_submission" not in planned(work)  # `all` wants it too, and it is there


def test_a_spec_without_a_test_says_what_is_missing(work, tmp_path):
    for name in ("Snakefile", "rules", "scripts", "specs", "data"):
        (tmp_path / name).symlink_to(work / name)
    write_spec(tmp_path, {"data": {"root": ROOT, "sample": None}})
    process = snakemake(tmp_path, "--dry-run", "submission")
    assert process.returncode == 1 and "spec.yaml: data.files.test is missing" in process.stdout
