"""data.split: validation is taken out of the training file, and nothing that belongs together is on both sides."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from roadtrain.cli import UserError
from roadtrain.data.audit_table import audit_table
from roadtrain.data.convert import NotGoodEnough, Rules, SplitJob, convert
from roadtrain.data.sources import catalog
from roadtrain.data.sources.base import Malformed
from roadtrain.spec.arguments import checked
from roadtrain.spec.data import Data
from support.conversion import NO_VIDEOS
from support.programs import run_program
from support.tables import lines, row

BOTH = ("train", "val")


def refusal(call, *args, **more) -> str:
    """The one line by which it is refused."""
    with pytest.raises((UserError, Malformed)) as caught:
        call(*args, **more)
    assert str(caught.value).isprintable()
    return str(caught.value)


def rows(scenarios: int, cameras: int = 2, questions: int = 3) -> list[dict]:
    """Questions about each camera of each scenario."""
    return [
        row(video=f"s{s:03}_cam{c}.mp4", scenario=f"s{s:03}", question=f"What is {q}?")
        for s in range(scenarios)
        for c in range(cameras)
        for q in range(questions)
    ]


def divide(folder: Path, records: list, *, split: dict, rules: Rules = NO_VIDEOS, workers: int = 1, **data):
    """({split: entries}, audit) of records as one file."""
    folder.mkdir(exist_ok=True)
    name = data.pop("name", "all.jsonl")
    (folder / name).write_text("\n".join(map(json.dumps, records)))
    section = Data(**{"source": "mcq", "root": str(folder), "files": {"train": name}, "split": split, **data})
    sources = catalog.open_sources(section, BOTH)
    audit = convert([SplitJob(s, sources[s], str(folder / f"{s}.out")) for s in BOTH], rules, workers)
    return {s: json.loads((folder / f"{s}.out").read_text()) for s in BOTH}, audit.report()


def scenarios(entries: list[dict]) -> set[str]:
    return {entry["wts_id"] for entry in entries}


def test_a_scenario_is_on_one_side_with_all_its_cameras_and_questions(tmp_path):
    sides, audit = divide(tmp_path, rows(10), split={"val": 0.2})
    assert {s: len(scenarios(sides[s])) for s in BOTH} == {"train": 8, "val": 2}
    assert {s: len(sides[s]) for s in BOTH} == {"train": 48, "val": 12}, "each question is on one side"
    assert not scenarios(sides["train"]) & scenarios(sides["val"])
    assert set(Counter(entry["wts_id"] for entry in sides["train"] + sides["val"]).values()) == {6}
    assert audit["leaks"]["total"] == 0
    assert {s: (audit["splits"][s]["scenarios"], audit["splits"][s]["questions"]) for s in BOTH} == {
        "train": (8, 48),
        "val": (2, 12),
    }


def test_the_sides_depend_on_names_and_seed_not_on_the_order_of_rows(tmp_path):
    records = rows(30)
    first = scenarios(divide(tmp_path / "a", records, split={"val": 0.3, "seed": 5})[0]["val"])
    mixed = random.Random(0).sample(records, len(records))
    assert scenarios(divide(tmp_path / "b", mixed, split={"val": 0.3, "seed": 5})[0]["val"]) == first
    assert scenarios(divide(tmp_path / "c", records, split={"val": 0.3, "seed": 6})[0]["val"]) != first


def test_a_scenario_that_comes_later_moves_one_other_at_most(tmp_path):
    sides = [scenarios(divide(tmp_path / str(n), rows(n), split={"val": 0.25})[0]["val"]) for n in (40, 41, 42)]
    for before, after in zip(sides, sides[1:], strict=False):
        assert len(before - after) <= 1 and len(after - before) <= 1


def test_sides_are_the_same_with_more_workers(tmp_path):
    one, _ = divide(tmp_path / "a", rows(12), split={"val": 0.5})
    two, _ = divide(tmp_path / "b", rows(12), split={"val": 0.5}, workers=2)
    assert one == two


def test_by_video_parts_a_scenarios_videos_and_the_audit_calls_it_a_leak(tmp_path):
    split = {"val": 0.5, "by": "video"}
    sides, audit = divide(tmp_path, rows(3, cameras=4), split=split)
    videos = [{entry["video"] for entry in sides[s]} for s in BOTH]
    assert [len(side) for side in videos] == [6, 6] and not videos[0] & videos[1]
    assert audit["leaks"]["scenarios"] > 0
    with pytest.raises(NotGoodEnough, match="on_leak"):
        divide(tmp_path, rows(3, cameras=4), split=split, rules=Rules(check="none", on_leak="fail"))


def test_scenarios_that_share_a_video_are_one(tmp_path):
    """Else it would be trained on and asked: by its name, and by its content under another name."""
    records = [row(video=f"v{n}.mp4", scenario=f"s{n}") for n in range(12)]
    records += [row(video=f"v{n}.mp4", scenario=f"s{n + 1}", question="Why?") for n in (0, 2, 4)]
    for n in range(12):
        (tmp_path / f"v{n}.mp4").write_text("the same" if n in (6, 7, 8) else f"content {n}")
    for seed in range(12):
        sides, audit = divide(tmp_path, records, split={"val": 0.4, "seed": seed})
        train, val = (scenarios(sides[s]) for s in BOTH)
        for together in ({"s0", "s1"}, {"s2", "s3"}, {"s4", "s5"}, {"s6", "s7", "s8"}):
            assert together <= train or together <= val, seed
        assert audit["leaks"]["total"] == 0
        assert audit["division"] | {"seed": 0} == {
            "val": 0.4,
            "seed": 0,
            "by": "scenario",
            "groups": 7,
            "validating": 3,
            "joined": 5,
        }


def test_llava_conversations_are_divided_and_what_shares_a_picture_stays_together(tmp_path):
    def entry(id: str, **media) -> dict:
        turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "Red"}]
        return {"id": id, "conversations": turns} | media

    records = [entry(f"e{n}", image=[f"{n}.png", f"{n // 2}_shared.png"]) for n in range(12)]
    for by in ("scenario", "video"):
        sides, audit = divide(tmp_path, records, split={"val": 0.5, "by": by}, source="llava")
        ids = [{int(entry["id"][1:]) for entry in sides[s]} for s in BOTH]
        assert [len(side) for side in ids] == [6, 6] and all(
            {n // 2 * 2, n // 2 * 2 + 1} <= side for side in ids for n in side
        )
        assert audit["leaks"]["total"] == 0


def test_the_audit_says_how_it_was_divided(tmp_path):
    _, audit = divide(tmp_path, rows(10), split={"val": 0.2, "seed": 3})
    assert (
        "One file is both splits (data.split): 2 of 10 scenarios validate (val: 0.2, seed: 3). Train 8 scenarios and 48"
        " questions, val 2 scenarios and 12 questions." in audit_table(audit)
    )
    _, plain = lines(tmp_path, row())
    assert "division" not in plain and "data.split" not in audit_table(plain)


@pytest.mark.parametrize(
    ("records", "split", "words"),
    [
        (rows(1), {"val": 0.5}, "all of it is one scenario (s000): split by video, or name a file"),
        (
            rows(1, cameras=1),
            {"val": 0.5},
            "all of it is one scenario (s000): name a file for validation in data.files.val",
        ),
        (rows(4), {"val": 0.1}, "data.split.val: 0.1 of 4 scenarios leaves val empty; write at least 0.125"),
        (rows(4), {"val": 0.9}, "data.split.val: 0.9 of 4 scenarios leaves train empty; write less than 0.875"),
        (
            [row(video="v.mp4", scenario=f"s{n}") for n in range(5)],
            {"val": 0.5},
            "its 5 scenarios are one group, since they share media (v.mp4",
        ),
        (
            [*rows(1, cameras=1), row(answer="nonsense", scenario="s001"), row(answer="nonsense", scenario="s002")],
            {"val": 0.5},
            "data.files.val instead (2 can't be read, first ",
        ),
        ([], {"val": 0.5}, "the file is empty"),
    ],
)
def test_an_empty_side_is_one_line(tmp_path, records, split, words):
    assert words in refusal(divide, tmp_path, records, split=split)
    assert not list(tmp_path.glob("*.out"))


def test_the_remedy_for_an_empty_side_works(tmp_path):
    for count in (2, 3, 4, 7):
        for val, remedy in ((0.01, 0.5 / count), (0.99, 1 - 0.5 / count - 1e-9)):
            with pytest.raises(Exception, match=f"of {count} scenarios leaves"):
                divide(tmp_path, rows(count), split={"val": val})
            sides, _ = divide(tmp_path, rows(count), split={"val": remedy})
            assert sides["train"] and sides["val"]


def test_a_row_that_cannot_be_read_is_left_out_once(tmp_path):
    records = [*rows(10), row(answer="nonsense", scenario="s003")]
    with pytest.raises(Malformed, match="answer"):
        divide(tmp_path, records, split={"val": 0.2})
    _, audit = divide(tmp_path, records, split={"val": 0.2}, rules=Rules(check="none", on_bad_question="skip"))
    assert [audit["splits"][s]["left_out"]["total"] for s in BOTH] == [1, 0]


def test_an_id_is_there_once_on_both_sides_together(tmp_path):
    """Whatever the seed: it doesn't depend on luck whether two rows of one name are found."""
    records = [row(video=f"v{n}.mp4", id="twice" if n in (2, 7) else f"q{n}") for n in range(10)]
    for seed in range(6):
        with pytest.raises(Malformed, match=r"duplicate id twice: the first is at line"):
            divide(tmp_path, records, split={"val": 0.5, "seed": seed})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"split": {}}, "split goes with the sources llava, mcq and tar: wts has its own validation"),
        ({"source": "mcq", "files": {"train": "a", "val": "b"}, "split": {}}, "files.val: b: is there beside split"),
        ({"source": "mcq", "files": {"train": "a"}}, "files.val is missing"),
        ({"source": "mcq", "split": {}}, "files.train is missing"),
        ({"source": "mcq", "files": {"train": "a"}, "split": {"val": 0}}, "val: 0"),
        ({"source": "mcq", "files": {"train": "a"}, "split": {"val": 1}}, "val: 1"),
        ({"source": "mcq", "files": {"train": "a"}, "split": {"by": "camera"}}, "by"),
    ],
)
def test_a_split_that_cannot_be_is_a_mistake_of_the_spec(data, words):
    assert words in refusal(checked, "data", Data, data)


def test_another_seed_is_another_conversion_and_no_split_is_none():
    """The rule's parameter: what makes conversions stale."""
    base = {"source": "mcq", "files": {"train": "a.csv"}}
    texts = {Data(**base, split=split).conversion() for split in ({}, {"seed": 1}, {"val": 0.3}, {"by": "video"})}
    assert len(texts) == 4
    assert "split" not in Data(**base | {"files": {"train": "a.csv", "val": "b.csv"}}).conversion()


def test_the_files_of_a_divided_source_are_inputs_once(tmp_path):
    (tmp_path / "a.csv").write_text("video\n")
    data = Data(source="mcq", root=str(tmp_path), files={"train": "a.csv"}, split={})
    assert catalog.input_files(data) == [f"{tmp_path}/a.csv"]


def test_the_program_divides(tmp_path):
    (tmp_path / "all.jsonl").write_text("\n".join(map(json.dumps, rows(10))))
    data = {"source": "mcq", "root": str(tmp_path), "files": {"train": "all.jsonl"}, "split": {"val": 0.2}}
    process = run_program(
        "convert_annotations.py",
        data=json.dumps(data),
        check_videos="none",
        audit=tmp_path / "audit.json",
        train=tmp_path / "train.llava.json",
        val=tmp_path / "val.llava.json",
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "train: 48 questions about 16 videos\nval: 12 questions about 4 videos\n"
