"""Every task of WTS, BDD_PC_5K and the public test in one spec, through the local engine to a submission."""

import csv
import json
import shutil
from pathlib import Path

import pytest

import make_submission
from roadtrain.data.llava import read_questions
from roadtrain.data.sources.wts_test_captions import submitted_phases
from roadtrain.evaluate.caption_predictions import LABELS
from roadtrain.evaluate.captions import read_caption_submission
from roadtrain.frames.index import FrameIndex
from roadtrain.sample.tree import SampleSpec, Scenario, sample_scenarios
from support.annotations import write
from support.public_test import EXTERNAL, phase_file, video_file
from support.workflow import copy_project, must_run, planned, read, snakemake, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TASKS = ["environment", "overhead_view", "vehicle_view", "caption", "bdd_vqa", "bdd_caption"]
VISION = {"nframes": 2, "min_pixels": 4096, "max_pixels": 8192}
ROOT, TEST = "data/all", "annotations/vqa/test/questions.json"


def questions(record: dict, name: str) -> list[dict]:
    """The test's form of a record: questions with an id and without their answer."""
    return [{key: row[key] for key in row if key != "correct"} | {"id": f"{name}-{n}"} for n, row in enumerate(record)]


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
    write(work / "answers.json", answers)
    write_spec(
        work,
        {
            "run": "all",
            "data": {"root": ROOT, "tasks": TASKS, "sample": None, "captions": "all", "files": {"test": TEST}},
            "train": {"epochs": 1},
            "evaluate": {"max_new_tokens": 2, "captions": {"max_new_tokens": 4}},
            "ablations": {"nframes8": None, "fps2": None, "nframes2": {"vision": VISION}},
        },
    )
    must_run(work, "submission")
    return work


def test_every_task_is_converted_and_counted(work):
    splits = read(work / "results/all/data/audit.json")["splits"]
    assert set(splits["train"]["tasks"]) == set(splits["val"]["tasks"]) == set(TASKS)
    assert set(splits["test"]["tasks"]) == {"environment", "overhead_view", "caption", "bdd_caption"}
    assert "| train | bdd\\_vqa |" in (work / "results/all/data/audit.md").read_text()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_phase_questions_see_the_frames_of_their_phase_only(work, split):
    index = FrameIndex.load(work / f"results/all/frames/nframes2_min4096_max8192/{split}.json")
    windows = 0
    for question in read_questions(work / f"results/all/data/{split}.llava.json"):
        medium = question.clip.first
        row = index.row(medium)
        if medium.start is not None:
            windows += 1
            assert question.phase != "full_video" and medium.start < medium.end
            seconds = [number / row["fps"] for number in row["frames_indices"]]
            assert medium.start - 1e-6 <= min(seconds) and max(seconds) <= medium.end + 1e-6
    assert windows >= 2


def test_every_question_of_every_task_is_trained_and_asked(work):
    train = list(read_questions(work / "results/all/data/train.llava.json"))
    steps = [
        json.loads(line) for line in (work / "results/all/nframes2/train_log.jsonl").read_text().split("\n") if line
    ]
    assert sum(step["questions"] for step in steps) == len(train)
    rows = [
        json.loads(line)
        for line in (work / "results/all/nframes2/predictions/epoch_1.jsonl").read_text().split("\n")
        if line
    ]
    val = [entry.id for entry in read_questions(work / "results/all/data/val.llava.json")]
    assert [row["id"] for row in rows] == val and all(row["response"] is not None for row in rows)


def official(truth: list[dict], submission: list[dict]) -> tuple[int, int]:
    """(correct, missing) by the rules of eval-metrics-AIC-Track2_VQA: by id, case ignored, what is missing is wrong."""
    letters = {item["id"]: item["correct"].lower() for item in submission}
    return sum(letters.get(i["id"]) == i["correct"].lower() for i in truth), sum(i["id"] not in letters for i in truth)


def test_the_submission_is_what_the_official_evaluation_reads(work):
    submission = read(work / "results/all/nframes2/submission/submission.json")
    truth = [{"id": id, "correct": letter} for id, letter in read(work / "answers.json").items()]
    assert all(list(item) == ["id", "correct"] and item["correct"] in list("abcd") for item in submission)
    assert {item["id"] for item in submission} <= {item["id"] for item in truth}
    lines = (work / "results/all/nframes2/submission/predictions.jsonl").read_text().split("\n")
    rows = [json.loads(line) for line in lines if line]
    entries = {entry.id: entry for entry in read_questions(work / "results/all/data/test.llava.json")}
    single = {(entries[row["id"]].question_id or row["id"]): row["answer"] for row in rows if "@" not in row["id"]}
    right = sum(single[item["id"]] == item["correct"].upper() for item in truth if item["id"] in single)
    alone = [item for item in truth if item["id"] in single]
    assert official(alone, submission)[0] == right and len(alone) > 3
    assert official(truth, submission)[1] == len(truth) - len(submission)


def test_every_phase_of_the_test_has_its_captions(work):
    """WTS's and BDD_PC_5K's, in the challenge's form, and every camera in the table."""
    captions = read_caption_submission(str(work / "results/all/nframes2/submission/captions.json"))
    assert {name: [label for label, _ in rows] for name, rows in captions.items()} == {
        name: [LABELS.get(label, label) for label in labels]
        for name, labels in submitted_phases(str(work / ROOT), ("caption", "bdd_caption")).items()
    }
    assert EXTERNAL in captions and len(captions) > 2
    rows = list(csv.DictReader((work / "results/all/nframes2/submission/merged.csv").open()))
    assert {row["kind"] for row in rows} == {"question", "caption"}
    assert sum(row["kind"] == "caption" for row in rows) == 2 * sum(map(len, captions.values()))


def test_no_answer_of_the_test_is_in_the_conversations(work):
    assert all(entry.answer == "" for entry in read_questions(work / "results/all/data/test.llava.json"))


def test_a_second_run_has_nothing_to_do(work):
    assert "Nothing to be done" in must_run(work, "submission")
    assert "make_submission" not in planned(work)  # `all` wants it too, and it is there


def test_a_spec_without_a_test_says_what_is_missing(work, tmp_path):
    for name in ("Snakefile", "rules", "scripts", "specs", "data"):
        (tmp_path / name).symlink_to(work / name)
    write_spec(tmp_path, {"data": {"root": ROOT, "sample": None}})
    process = snakemake(tmp_path, "--dry-run", "submission")
    assert process.returncode == 1 and "spec.yaml: data.files.test is missing" in process.stdout


# ------------------------------------------------------------------------------------------ the program alone
def entry(id: str, question: str | None = None, options=("x", "y")) -> dict:
    from roadtrain.data.llava import multiple_choice

    human = multiple_choice("What?\u2028", dict(zip("abcd", options, strict=False))) if options else "<video> What?"
    value = {
        "id": id,
        "wts_id": "s",
        "video": "v.mp4",
        "type": "environment",
        "phase": "full_video",
        "conversations": [{"from": "human", "value": human}],
    }
    return value | ({"question_id": question} if question else {})


def submit(tmp_path: Path, entries: list[dict], answers: dict, *args: str, capsys=None) -> list | str:
    """The submission, or the one line that refuses it."""
    write(tmp_path / "t.json", entries)
    rows = [
        json.dumps({"id": id, "answer": answer, "prompt": "What?\u2028"}, ensure_ascii=False)
        for id, answer in answers.items()
    ]
    write(tmp_path / "p.jsonl", "\n".join(rows) + "\n")
    argv = [
        "make_submission.py",
        "--llava",
        tmp_path / "t.json",
        "--predictions",
        tmp_path / "p.jsonl",
        "--output",
        tmp_path / "s.json",
        *args,
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(arg) for arg in argv])
        try:
            make_submission.main()
        except SystemExit as end:
            assert not (tmp_path / "s.json").exists()
            return str(end)
    return read(tmp_path / "s.json")


def test_cameras_vote_and_ties_go_to_the_first(tmp_path):
    entries = [entry(f"q@c{n}", "q") for n in range(3)] + [entry("r"), entry("t@c0", "t"), entry("t@c1", "t")]
    answers = {"q@c0": "A", "q@c1": "B", "q@c2": "B", "r": "B", "t@c0": "B", "t@c1": "A"}
    assert submit(tmp_path, entries, answers) == [
        {"id": "q", "correct": "b"},
        {"id": "r", "correct": "b"},
        {"id": "t", "correct": "b"},
    ]


def test_unanswered_questions_are_left_away_or_guessed(tmp_path):
    entries, answers = [entry("q"), entry("r")], {"q": None, "r": "B"}
    assert submit(tmp_path, entries, answers) == [{"id": "r", "correct": "b"}]
    assert submit(tmp_path, entries, answers, "--unanswered", "first")[0] == {"id": "q", "correct": "a"}


@pytest.mark.parametrize(
    ("entries", "answers", "says"),
    [
        ([entry("q")], {}, "1 of 1 predictions are missing, first q"),
        ([entry("q")], {"q": "A", "x": "A"}, "x isn't a question of"),
        ([entry("q")], {"q": "C"}, "the answer 'C' isn't one of A, B"),
        ([entry("q", options=())], {"q": None}, "q: an open question"),
    ],
)
def test_what_is_no_submission_is_refused_in_one_line(entries, answers, says, tmp_path):
    line = submit(tmp_path, entries, answers)
    assert says in line and "\n" not in line


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "is a list"),
        ([1], "expected an object"),
        ([{"id": "q"}], "expected an object with id and correct"),
        ([{"id": "q", "correct": "A"}], "'A' isn't one of a, b"),
        ([{"id": "q", "correct": "c"}], "'c' isn't one of a, b"),
        ([{"id": "z", "correct": "a"}], "no question of the test"),
        ([{"id": "q", "correct": "a"}] * 2, "there twice"),
        ([{"id": "q", "correct": "a", "why": ""}], "expected an object with id and correct"),
    ],
)
def test_the_check_of_the_format(value, says):
    from roadtrain.cli import UserError
    from roadtrain.evaluate.submission import check_submission

    check_submission([{"id": "q", "correct": "b"}], {"q": ["A", "B"]})
    with pytest.raises(UserError, match=says):
        check_submission(value, {"q": ["A", "B"]})
