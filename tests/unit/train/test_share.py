"""A share of the training scenarios: whole ones, a smaller share a part of a larger, the same whatever the order of the file."""

import json
import random

import pytest

from roadtrain.cli import UserError
from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.train.share import choose_scenarios, share_sentence, write_part
from support.programs import run_program

SHARES = (0.05, 0.1, 0.25, 0.3, 0.5, 0.75, 0.99, 1.0)
OPTIONS = {"A": "Yes", "B": "No"}


def entries(scenarios: int) -> list[dict]:
    """Scenarios of one to three cameras with two questions each; file names say nothing of the scenario."""
    return [
        entry_json(
            id=f"{scenario}_{camera}_{n}",
            scenario=f"s{scenario}",
            video=f"{(7 * scenario + camera) % 1000:03}_{scenario}.mp4",
            type="environment",
            phase="full_video",
            human=multiple_choice(f"Is it {n}?", OPTIONS),
            answer="A",
        )
        for scenario in range(scenarios)
        for camera in range(1 + scenario % 3)
        for n in range(2)
    ]


@pytest.fixture
def llava(tmp_path):
    write_entries(tmp_path / "train.llava.json", entries(40))
    return tmp_path / "train.llava.json"


def part(llava, share: float, seed: int = 0) -> list[dict]:
    output = llava.with_name("part.json")
    write_part(llava, share, seed, output)
    return json.loads(output.read_text())


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_a_smaller_share_is_a_part_of_a_larger_one(seed):
    names = {f"s{n}" for n in range(101)}
    parts = [choose_scenarios(names, share, seed, "x") for share in SHARES]
    for share, smaller, larger in zip(SHARES, parts, [*parts[1:], names], strict=True):
        assert smaller <= larger and len(smaller) == int(share * 101 + 0.5)
    assert parts[-1] == names


def test_scenarios_are_whole_and_none_is_in_both_parts(llava):
    """A leak would be a scenario of which one camera is trained on, and another is not."""
    trained = part(llava, 0.25)
    ids = {value["id"] for value in trained}
    rest = [value for value in json.loads(llava.read_text()) if value["id"] not in ids]
    assert not {value["wts_id"] for value in trained} & {value["wts_id"] for value in rest}
    assert not {value["video"] for value in trained} & {value["video"] for value in rest}
    assert len({value["wts_id"] for value in trained}) == 10


def test_entries_stay_as_they_are_and_in_their_order(llava):
    everything = json.loads(llava.read_text())
    trained = part(llava, 0.5)
    assert trained == [value for value in everything if value in trained] and 0 < len(trained) < len(everything)
    part(llava, 1.0)
    assert llava.with_name("part.json").read_bytes() == llava.read_bytes()


def test_neither_the_order_of_the_file_nor_a_further_scenario_moves_another(llava):
    before = {value["wts_id"] for value in part(llava, 0.25)}
    shuffled = entries(40)
    random.Random(0).shuffle(shuffled)
    write_entries(llava, shuffled)
    assert {value["wts_id"] for value in part(llava, 0.25)} == before
    write_entries(llava, entries(41))
    assert len({value["wts_id"] for value in part(llava, 0.25)} - before) <= 1


def test_another_seed_draws_others(llava):
    drawn_sets = [frozenset(value["wts_id"] for value in part(llava, 0.5, seed)) for seed in range(5)]
    assert len(set(drawn_sets)) == 5


def test_conversations_of_several_turns_count_each_and_go_by_their_medium_without_a_scenario(tmp_path):
    turns = ["<video>\nWhat is it?", "A car.", "Which colour?", "Red."]
    conversation = [{"from": ("human", "gpt")[n % 2], "value": turn} for n, turn in enumerate(turns)]
    values = [{"id": f"e{n}", "video": f"{n // 2}.mp4", "conversations": conversation} for n in range(8)]
    (tmp_path / "own.json").write_text(json.dumps(values, indent=1))
    summary = write_part(tmp_path / "own.json", 0.5, 3, tmp_path / "part.json")
    assert summary["scenarios"] == {"trained": 2, "total": 4} == summary["videos"]
    assert summary["questions"] == {"trained": 8, "total": 16}
    assert len(list(read_questions(tmp_path / "part.json"))) == 8


def test_less_than_one_scenario_is_one_line_with_a_share_that_would_do(llava):
    with pytest.raises(UserError) as error:
        part(llava, 0.01)
    line = str(error.value)
    assert line == f"{llava}: train.share: 0.01 of 40 scenarios is none of them; write at least 0.0125"
    assert len({value["wts_id"] for value in part(llava, 0.0125)}) == 1
    for count in (3, 7, 308, 999):
        names = {str(n) for n in range(count)}
        with pytest.raises(UserError) as error:
            choose_scenarios(names, 1e-6, 0, "x")
        least = float(str(error.value).rsplit(maxsplit=1)[1])
        assert len(choose_scenarios(names, least, 0, "x")) == 1


def test_the_program_writes_the_part_and_how_much_it_is(llava, tmp_path):
    output, summary = tmp_path / "quarter.json", tmp_path / "summary.json"
    process = run_program("take_share.py", llava=llava, share=0.25, seed=5, output=output, summary=summary)
    assert process.returncode == 0, process.stderr
    values, counts = json.loads(output.read_text()), json.loads(summary.read_text())
    assert counts["questions"] == {"trained": len(values), "total": len(entries(40))}
    assert counts["videos"]["trained"] == len({value["video"] for value in values})
    assert (counts["share"], counts["seed"]) == (0.25, 5) and share_sentence(counts) in process.stdout
    assert "10 of 40 scenarios" in process.stdout
    for share, says in ((0, "greater than 0"), (1.5, "less than or equal to 1"), ("half", "not such a number")):
        process = run_program("take_share.py", llava=llava, share=share, output=output, summary=summary)
        assert process.returncode == 1 and says in process.stderr and "--share" in process.stderr
