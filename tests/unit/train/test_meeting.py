"""The nodes of a run meet: whoever comes first, whatever an earlier start left."""

import json
import threading
from pathlib import Path

import pytest

from roadtrain.train import meeting
from roadtrain.train.meeting import Meeting, join
from roadtrain.train.nodes import Nodes

ADDRESSES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(meeting, "_EVERY", 0.01)


def other(folder: Path, index: int, answers: dict[int, tuple[int, ...] | None]) -> threading.Thread:
    def come() -> None:
        answers[index] = join(folder, Nodes(ADDRESSES, index))

    thread = threading.Thread(target=come, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("early", [[], [1], [1, 2]])
def test_all_get_the_port_whoever_is_first(tmp_path, early):
    answers: dict[int, tuple[int, ...] | None] = {}
    threads = [other(tmp_path, index, answers) for index in early]
    for index in early:  # it is there before the first node comes
        while not (tmp_path / f".meeting/node_{index}.json").exists():
            pass
    threads += [other(tmp_path, index, answers) for index in (1, 2) if index not in early]
    Meeting(tmp_path, Nodes(ADDRESSES)).start(8000, 29400)
    for thread in threads:
        thread.join(10)
    assert answers == {1: (8000, 29400), 2: (8000, 29400)}


def test_nothing_is_left_to_do(tmp_path):
    answers: dict[int, tuple[int, ...] | None] = {}
    threads = [other(tmp_path, index, answers) for index in (1, 2)]
    Meeting(tmp_path, Nodes(ADDRESSES)).end()
    for thread in threads:
        thread.join(10)
    assert answers == {1: None, 2: None}


def test_what_a_killed_start_left_is_nobody(tmp_path, monkeypatch, capsys):
    """Its nodes are not taken for those who come, its answer is not taken for this one's; who is missing is named."""
    (tmp_path / ".meeting").mkdir()
    for index in (1, 2):
        (tmp_path / f".meeting/node_{index}.json").write_text(json.dumps({"number": "old"}))
    (tmp_path / ".meeting/start.json").write_text(json.dumps({"numbers": {"1": "old", "2": "old"}, "ports": [1]}))
    monkeypatch.setattr(meeting, "_REMIND", 0.05)
    answers: dict[int, tuple[int, ...] | None] = {}
    early = other(tmp_path, 1, answers)
    early.join(0.3)
    assert early.is_alive() and "waiting for node 0, a, to start training" in capsys.readouterr().err
    called: list[Meeting] = []
    first = threading.Thread(target=lambda: called.append(Meeting(tmp_path, Nodes(ADDRESSES))), daemon=True)
    first.start()
    first.join(0.5)
    assert first.is_alive() and "waiting for node 2, c (" in capsys.readouterr().err
    late = other(tmp_path, 2, answers)
    first.join(10)
    called[0].start(7)
    early.join(10)
    late.join(10)
    assert answers == {1: (7,), 2: (7,)}


def test_one_node_meets_nobody(tmp_path):
    Meeting(tmp_path, Nodes(())).start(1)
    assert list(tmp_path.iterdir()) == []
