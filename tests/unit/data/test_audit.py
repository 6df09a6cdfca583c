"""The audit: duplicates, contradictions, leaks and counts."""

import json
import shutil
from pathlib import Path

import pytest

from roadtrain.data.audit import Audit, SplitAudit
from roadtrain.data.audit_json import leak_sentence
from roadtrain.data.convert import NotGoodEnough, Rules
from roadtrain.data.sources.base import Malformed
from support.annotations import mcq, scenario, video, write, wts_file
from support.conversion import convert_tree
from support.programs import run_program


def test_duplicates_are_left_out_and_counted_nowhere(tmp_path):
    """In one file, and the same video name in two scenarios far apart (another chunk)."""
    write(
        wts_file(tmp_path, "train", "s000"),
        [{"id": 1, "overhead_videos": ["x.mp4", "x.mp4"], "environment": [mcq(), mcq("B?")]}],
    )
    for n in range(1, 300):
        scenario(tmp_path, "train", f"s{n:03}")
    write(
        wts_file(tmp_path, "train", "s300"),
        [{"id": 1, "overhead_videos": ["x.mp4"], "environment": [mcq("C?")]}],
    )
    with pytest.raises(
        Malformed, match=r"s000.json: \[0\].environment: duplicate id x_0: the first is at .*s000.json: \[0\]"
    ):
        convert_tree(tmp_path, tmp_path)
    assert not (tmp_path / "train.json").exists()
    entries, report = convert_tree(tmp_path, tmp_path, rules=Rules(check="none", on_bad_question="skip"))
    part = report["splits"]["train"]
    assert len(entries) == part["questions"] == part["tasks"]["environment"]["entries"] == 301
    assert len({entry["id"] for entry in entries}) == 301
    first, second = (item["reason"] for item in part["left_out"]["listed"])
    assert first.startswith("duplicate id x_0: the first is at ") and first.endswith("s000.json: [0].environment")
    assert second == "duplicate id x_0: the first is at s000/"
    assert part["left_out"]["total"] == 3
    assert "C?" not in part["tasks"]["environment"]["by_question"]


def test_contradictions_are_reported_in_words(tmp_path):
    """Letters may differ when the options are in another order; the answer's words may not."""
    same = [mcq("Wet?", ("Yes", "No"), "a"), mcq("Wet?", ("No", "Yes"), "b")]
    scenario(tmp_path, "train", "s1", rows=same)
    scenario(tmp_path, "train", "s2", rows=[*same, mcq("Wet?", ("Yes", "No"), "b")])
    _, report = convert_tree(tmp_path, tmp_path)
    contradictions = report["splits"]["train"]["contradictions"]["listed"]
    assert [(Path(item["file"]).stem, item["path"]) for item in contradictions] == [("s2", "[0].environment[2]")]
    assert "'Yes' before and is 'No' here" in contradictions[0]["reason"]
    doubled = report["splits"]["train"]["doubled"]["listed"]
    places = [(Path(item["file"]).stem, item["path"]) for item in doubled]
    assert places == [("s1", "[0].environment[1]"), ("s2", "[0].environment[1]")]
    assert all(item["reason"].endswith("asked before, with the same answer") for item in doubled)


def test_contradictions_of_rows_are_found_wherever_they_stand(tmp_path):
    rows = [f"v{n}.mp4,Is it wet?,yes,no,a" for n in range(3000)] + [
        "v7.mp4,Is it wet?,no,yes,b",
        "v8.mp4,Is it wet?,no,yes,a",
    ]
    write(tmp_path / "t.csv", "video,question,a,b,answer\n" + "\n".join(rows))
    _, report = convert_tree(tmp_path, tmp_path, source="mcq", files={"train": "t.csv", "val": "t.csv"}, workers=2)
    contradictions = report["splits"]["train"]["contradictions"]["listed"]
    assert [item["path"] for item in contradictions] == ["line 3003"]
    doubled = report["splits"]["train"]["doubled"]
    assert [item["path"] for item in doubled["listed"]] == ["line 3002"] and doubled["total"] == 1


def test_a_doubled_question_is_counted_said_and_listed(tmp_path):
    """Both rows are trained on and asked: who doesn't want that must hear of it."""
    row = "a.mp4,Is it wet?,yes,no,a\n"
    write(tmp_path / "t.csv", "video,question,a,b,answer\n" + 3 * row + "b.mp4,Is it wet?,yes,no,a\n")
    audit, table = tmp_path / "audit.json", tmp_path / "audit.md"
    data = {"source": "mcq", "root": str(tmp_path), "files": {"train": "t.csv", "val": "t.csv"}}
    options = {"data": json.dumps(data), "audit": audit, "table": table, "check_videos": "none"}
    process = run_program("convert_annotations.py", train=tmp_path / "train.json", **options)
    assert process.returncode == 0 and "train: 4 questions" in process.stdout, process.stderr
    assert "warning: train: 2 questions are there a second time, with the same answer" in process.stderr
    assert json.loads(audit.read_text())["splits"]["train"]["doubled"]["total"] == 2
    text = table.read_text()
    assert "Doubled questions: 2" in text and "line 3: asked before about the same clip, with the same answer" in text


def test_scenarios_and_videos_in_two_splits_are_leaks(tmp_path):
    root = tmp_path / "wts"
    for split, names in (("train", ["both", "t"]), ("val", ["both", "normal_trimmed/v"])):
        for name in names:
            scenario(root, split, name)
            stem = name.rsplit("/", 1)[-1]
            shade = {"t": 0, "v": 40}.get(stem, 5 if split == "train" else 90)
            video(root / f"videos/{split}/{name}/overhead_view/{stem}_Camera1_0.mp4", shade=shade)
    folder = (
        root / "videos"
    )  # one recording under two names: x264 writes one clip in 200 with other bytes, even with one thread
    shutil.copy(
        folder / "train/t/overhead_view/t_Camera1_0.mp4", folder / "val/normal_trimmed/v/overhead_view/v_Camera1_0.mp4"
    )
    _, report = convert_tree(root, tmp_path, splits=("train", "val"), rules=Rules())
    assert [(item["name"], item["reason"]) for item in report["leaks"]["listed"]] == [
        ("both", "this scenario is in train and val"),
        (
            "t/overhead_view/t_Camera1_0.mp4",
            "this video of train is normal_trimmed/v/overhead_view/v_Camera1_0.mp4 of val",
        ),
    ]
    with pytest.raises(NotGoodEnough, match="both: this scenario is in train and val"):
        convert_tree(root, tmp_path / "b", splits=("train", "val"), rules=Rules(on_leak="fail"))
    process = run_program(
        "convert_annotations.py",
        "--root",
        root,
        f"--train={tmp_path}/t.json",
        f"--val={tmp_path}/v.json",
        "--audit",
        tmp_path / "a.json",
    )
    assert process.returncode == 0 and process.stderr.count("validation is not unseen") == 1
    assert "1 scenario and 1 video are in more than one split" in process.stderr
    assert (report["leaks"]["total"], report["leaks"]["scenarios"], report["leaks"]["videos"]) == (2, 1, 1)


def test_a_scenario_and_a_video_count_once_however_many_splits_they_are_in():
    """In three splits there are three pairs of splits, and still one scenario."""
    splits = {name: SplitAudit() for name in ("train", "val", "test")}
    for name, split in splits.items():
        for task in ("environment", "vehicle_view"):
            split.tasks[task].scenarios |= {"everywhere", f"only {name}"}
        split.prints = {1: f"{name}/a.mp4", len(name): f"{name}/b.mp4"}
    splits["val"].tasks["environment"].scenarios.add("only train")
    audit = Audit("wts", ["environment", "vehicle_view"], splits)
    audit.find_leaks()
    leaks = audit.report()["leaks"]
    assert (leaks["total"], leaks["scenarios"], leaks["videos"]) == (3, 2, 1)
    assert [(item["name"], item["splits"]) for item in leaks["listed"]] == [
        ("everywhere", ["test", "train", "val"]),
        ("only train", ["train", "val"]),
        ("test/a.mp4", ["test", "train", "val"]),
    ]
    assert leaks["listed"][0]["reason"] == "this scenario is in test and train and val"
    assert leak_sentence(leaks) == "2 scenarios and 1 video are in more than one split: validation is not unseen."


def test_no_leak_is_said_so():
    audit = Audit("wts", ["environment"], {"train": SplitAudit(), "val": SplitAudit()})
    audit.find_leaks()
    assert (
        leak_sentence(audit.report()["leaks"]) == "No scenario and no video is in two splits." and not audit.warnings()
    )


def test_scenarios_without_a_file_are_counted(tmp_path):
    scenario(tmp_path, "train", "s1")
    write(wts_file(tmp_path, "train", "normal_trimmed/s2", "overhead_view"), [])
    write(wts_file(tmp_path, "train", "s3"), [])
    _, report = convert_tree(tmp_path, tmp_path)
    assert report["splits"]["train"]["scenarios_without"] == {
        "environment": {"total": 2, "scenarios": ["normal_trimmed/s2", "s3"]}
    }


def test_counts_of_the_audit(tmp_path):
    scenario(tmp_path, "train", "s1", rows=[mcq("A?", "xy", "b"), mcq("B?", "xyz", "c")], cameras=2)
    scenario(tmp_path, "train", "s2", rows=[mcq("A?", "yx", "b")])
    _, report = convert_tree(tmp_path, tmp_path)
    counts = report["splits"]["train"]["tasks"]["environment"]
    assert counts == {
        "scenarios": 2,
        "videos": 3,
        "entries": 5,
        "multiple_choice": 5,
        "open": 0,
        "doubtful": 0,
        "unread_keys": {},
        "options": {"2": 3, "3": 2},
        "letters": {"B": 3, "C": 2},
        "letters_by_options": {"2": {"B": 3}, "3": {"C": 2}},
        "phases": {"full_video": 5},
        "distinct_questions": 2,
        "by_question": {"A?": 3, "B?": 2},
        "question_types": {"other": 5},
    }


def test_names_and_questions_are_no_markup_on_the_readable_page(tmp_path):
    from roadtrain.data.audit_table import audit_table

    question = "# <b>Wet?</b> | **now** \x1b[31m \u202e\u2028 [x](y)"
    scenario(tmp_path, "train", "s1", rows=[mcq(question), mcq(question, correct="b")])
    _, report = convert_tree(tmp_path, tmp_path)
    page = audit_table(report)
    for markup in ("<b>", "**now**", "\x1b", "\u202e", "\u2028", "[x](y)"):
        assert markup not in page, markup
    assert r"&lt;b&gt;Wet?&lt;/b&gt; \| \*\*now\*\*" in page and "u202e" in page
