"""A plan counts what was decoded once it was, and says until then that its numbers are a promise."""

import json
import tomllib
from pathlib import Path

import pytest

import show_plan
from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.files import read_json, write_json
from roadtrain.train.preflight.decoded import DECODED, PROMISED, counted_report
from roadtrain.train.preflight.media import plan_clips
from roadtrain.train.preflight.report import preflight_report
from roadtrain.train.toml_config import read_train_run
from support.clips import render
from support.frame_cache import decode_in_process
from support.training import VISION, render_toml


@pytest.fixture
def root(tmp_path) -> Path:
    """Four videos of three questions each, a plan of them, and a last video that can't be decoded when its time comes."""
    human = multiple_choice("What?", {"a": "one", "b": "two"})
    entries = [
        entry_json(id=f"v{n}_{k}", scenario=str(n), video=f"v{n}.mp4", type="t", phase="p", human=human, answer="A")
        for n in range(4)
        for k in range(3)
    ]
    write_entries(tmp_path / "x.llava.json", entries)
    for n in range(4):
        render(tmp_path / f"media/v{n}.mp4", frames=12, seed=n)
    toml = Path(render_toml(tmp_path, sequences="per-question", train_batch_per_replica=3))
    run, questions = read_train_run(toml), list(read_questions(str(tmp_path / "x.llava.json")))
    report = preflight_report(run, tomllib.loads(toml.read_text()), questions, plan_clips(run, questions), gpus=1)
    write_json(toml.with_name("preflight.json"), report)
    (tmp_path / "media/v3.mp4").write_bytes(b"")
    return toml.parent


def decode(root: Path) -> None:
    media = ("--llava", root / "x.llava.json", "--media", root / "media", "--cache", root / "cache", "--workers", 0)
    assert decode_in_process(*media, "--vision", json.dumps(VISION), "--index", root / "index.json") == 0


def test_steps_are_counted_on_the_frames_that_are_there(root):
    before, counted = counted_report(read_json(root / "preflight.json"), root / "sft.toml")
    assert counted == PROMISED and before == read_json(root / "preflight.json")
    assert (before["questions"], before["steps_per_epoch"]) == (12, [4, 4])
    decode(root)
    after, counted = counted_report(read_json(root / "preflight.json"), root / "sft.toml")
    assert counted == DECODED and (after["questions"], after["steps_per_epoch"], after["steps"]) == (9, [3, 3], 6)
    assert after["clips"] == {"total": 4, "left_out": ["v3.mp4: unreadable: zero bytes"]}
    rows = read_json(root / "index.json")["clips"]
    assert after["vision_tokens"]["total"] == sum(row["vision_tokens"] for row in rows)
    assert after["checks"] == before["checks"]


def test_an_index_of_another_setting_is_no_count(root):
    decode(root)
    index = read_json(root / "index.json")
    write_json(root / "index.json", index | {"vision": {"nframes": 2}})
    assert counted_report(read_json(root / "preflight.json"), root / "sft.toml")[1] == PROMISED


def test_the_plan_says_on_what_it_counts(root, monkeypatch, capsys):
    def shown() -> str:
        monkeypatch.setattr("sys.argv", ["show_plan.py", str(root / "preflight.json")])
        try:
            show_plan.main()
        except SystemExit as end:  # the model isn't there: a problem of its own
            assert end.code
        return capsys.readouterr().out

    assert f"{root.name}: clips, questions, steps and vision tokens are counted on the {PROMISED}" in shown()
    decode(root)
    out = shown()
    assert f"are counted on the {DECODED}" in out and "left out: v3.mp4: unreadable: zero bytes" in out
