"""scripts/init.py: from a folder of clips and a table to a spec that is right, and commands that work."""

import json
import shlex

import pytest
from PIL import Image

from roadtrain.cli import UserError
from roadtrain.data.sources.base import Malformed
from roadtrain.spec.reading import read_spec
from roadtrain.spec.yaml_text import spec_values
from roadtrain.train.preflight.first_spec import Machine, details, first_spec, one_line_summary, run_name
from roadtrain.train.preflight.look import FolderLook, look_into
from support.clips import render
from support.programs import ROOT, run_program

HEAD = "video,scenario,question,options,answer\n"
TINY = str(ROOT / "specs/sample/base")


@pytest.fixture
def clips(tmp_path):
    """Six clips in a folder of the folder, and questions about them."""
    folder = tmp_path / "my clips"
    rows = [
        f"c{n}.mp4,s{n // 2},{question},{options},{answer}"
        for n in range(6)
        for question, options, answer in (("What colour?", "Red|Green|Blue", "A"), ("Is it day?", "Yes|No", "B"))
    ]
    for n in range(6):
        render(folder / f"videos/day/c{n}.mp4", frames=8, seed=n)
    (folder / "questions.csv").write_text(HEAD + "\n".join(rows) + "\n")
    return folder


def written(look: FolderLook, path, model=TINY, machine=None):
    path.write_text(first_spec(look, model, machine or Machine(0, 80, ""), str(path), "r", 357))
    return read_spec(spec_values([path]), str(path))


def refusal(*args) -> str:
    with pytest.raises((UserError, Malformed)) as caught:
        look_into(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_table_the_clips_and_the_split_are_found(clips, tmp_path):
    look = look_into(str(clips), None, 1)
    assert one_line_summary(look) == "12 questions about 6 clips of 3 scenarios"
    assert details(look) == ["12 multiple choice with 2 to 3 options, 0 open, 0 of these doubtful"]
    spec = written(look, tmp_path / "spec.yaml")
    data = spec.data
    assert (data.source, data.root, data.media, data.files.train) == ("mcq", str(clips), "videos/day", "questions.csv")
    assert data.split is not None and data.split.by == "scenario" and data.split.val == 0.2
    assert {split: len(part.scenarios) for split, part in look.audit.splits.items()} == {"train": 2, "val": 1}
    assert spec.train.train_batch_per_replica <= 8 and spec.deploy.allow_undecided_gate


def test_a_picture_that_no_setting_can_show_is_named_before_the_run(tmp_path):
    rows = []
    for name, size in (("a.png", (40, 30)), ("b.png", (30, 40)), ("line.png", (2010, 10))):
        Image.new("RGB", size).save(tmp_path / name)
        talk = [{"from": "human", "value": f"<image>\nWhat is {name}?"}, {"from": "gpt", "value": "Grey"}]
        rows.append({"id": name, "image": name, "conversations": talk})
    (tmp_path / "train.json").write_text(json.dumps(rows))
    shown = "\n".join(details(look_into(str(tmp_path), None, 1)))
    assert "line.png: 2010x10: sides may differ by a factor of 200 at most" in shown and "a.png" not in shown
    assert "the run will stop there" in shown


def test_two_scenarios_are_divided_one_and_one(clips):
    lines = (clips / "questions.csv").read_text().splitlines()[:9]
    (clips / "questions.csv").write_text("\n".join(lines))
    look = look_into(str(clips), None, 1)
    assert look.data.split.val == 0.5 and {len(part.scenarios) for part in look.audit.splits.values()} == {1}


def test_one_scenario_is_refused_with_what_helps(clips):
    lines = (clips / "questions.csv").read_text().splitlines()[:5]
    (clips / "questions.csv").write_text("\n".join(lines))
    assert "all of it is one scenario (s0)" in refusal(str(clips), None, 1)


def test_a_train_and_a_val_file_are_the_two_splits(clips, tmp_path):
    lines = (clips / "questions.csv").read_text().splitlines()
    (clips / "questions.csv").unlink()
    (clips / "train.csv").write_text("\n".join(lines[:9]))
    (clips / "val.csv").write_text("\n".join([lines[0], *lines[9:]]))
    spec = written(look_into(str(clips), None, 1), tmp_path / "spec.yaml")
    assert spec.data.split is None and (spec.data.files.train, spec.data.files.val) == ("train.csv", "val.csv")


def test_the_val_file_beside_a_named_train_file_validates(clips):
    """Among others: it isn't left aside, with a fifth of train.csv in its place."""
    lines = (clips / "questions.csv").read_text().splitlines()
    (clips / "Train.csv").write_text("\n".join(lines[:9]))
    (clips / "val.csv").write_text("\n".join([lines[0], *lines[9:]]))
    assert "of train.csv and val.csv the first" in refusal(str(clips), None, 1)
    data = look_into(str(clips), str(clips / "Train.csv"), 1).data
    assert data.split is None and (data.files.train, data.files.val) == ("Train.csv", "val.csv")
    data = look_into(str(clips), str(clips / "questions.csv"), 1).data
    assert data.split is not None and data.files.val is None


def test_llava_conversations_are_told_from_a_table_of_json(clips, tmp_path):
    turns = [{"from": "human", "value": "<video>\nWhat happens?"}, {"from": "gpt", "value": "A car turns left. " * 9}]
    entries = [{"id": f"e{n}", "video": f"c{n}.mp4", "conversations": turns} for n in range(6)]
    (clips / "questions.csv").unlink()
    (clips / "chat.json").write_text(json.dumps(entries))
    look = look_into(str(clips), None, 1)
    spec = written(look, tmp_path / "spec.yaml")
    assert spec.data.source == "llava" and look.longest_answer == len(turns[1]["value"])
    assert spec.evaluate.max_new_tokens > 50, "room for the longest answer"
    rows = [{"video": f"c{n}.mp4", "question": "What?", "options": ["a", "b"], "answer": "B"} for n in range(6)]
    (clips / "chat.json").write_text(json.dumps(rows))
    look = look_into(str(clips), None, 1)
    assert look.data.source == "mcq" and "each clip is a scenario of its own" in details(look)[-1]
    assert written(look, tmp_path / "spec.yaml").evaluate.max_new_tokens == 16, "the default: letters"


def test_what_is_missing_or_unclear_is_one_line(clips, tmp_path):
    assert "no such folder" in refusal(str(tmp_path / "nowhere"), None, 1)
    assert "a file, not a folder" in refusal(str(clips / "questions.csv"), None, 1)
    assert "no such file (--table)" in refusal(str(clips), str(tmp_path / "no.csv"), 1)
    (clips / "more.csv").write_text(HEAD)
    assert "2 files could hold the questions (more.csv, questions.csv): say which with --table" in refusal(
        str(clips), None, 1
    )
    assert look_into(str(clips), str(clips / "questions.csv"), 1).data.files.train == "questions.csv"
    (clips / "questions.csv").unlink()
    assert "more.csv" in refusal(str(clips), None, 1)
    (clips / "more.csv").unlink()
    assert "no table and no LLaVA file in it" in refusal(str(clips), None, 1)
    (tmp_path / "elsewhere.csv").write_text(HEAD + "gone.mp4,s,What?,a|b,A\n")
    assert "none of its clips lies below" in refusal(str(clips), str(tmp_path / "elsewhere.csv"), 1)
    for name in ("annotations", "videos"):
        (tmp_path / "wts" / name).mkdir(parents=True)
    assert "WTS's layout: config.yaml" in refusal(str(tmp_path / "wts"), None, 1)


def test_rows_and_clips_that_cannot_be_used_are_counted_and_named(clips):
    (clips / "videos/day/c5.mp4").write_text("no video")
    with open(clips / "questions.csv", "a") as stream:
        stream.write("c1.mp4,s0,What?,a|b,nonsense\n")
    text = "\n".join(details(look_into(str(clips), None, 1)))
    assert "line 14" in text and "on_bad_question: skip" in text and "c5.mp4" in text
    assert "1 of 2 clips can't be used (50.0%), more than data.max_bad_fraction: 0.05: the run will stop there" in text
    assert text.count("c5.mp4") == 1 and "line 12: c5.mp4" in text and "(and 1 more so)" in text, "each reason once"
    with open(clips / "questions.csv", "a") as stream:
        stream.writelines(f"c1.mp4,s0,What?,a|b,nonsense{n}\n" for n in range(20))
    text = "\n".join(details(look_into(str(clips), None, 1)))
    assert "line 15" in text and "nonsense19" not in text and "more; the run's audit has them" in text


def test_a_few_bad_clips_do_not_stop_the_run_and_init_says_so(clips):
    look = look_into(str(clips), None, 1)
    assert "max_bad_fraction" not in "\n".join(details(look))
    part = next(iter(look.audit.splits.values()))
    part.videos.good, part.videos.bad = 95, 5
    assert (
        "5 of 100 clips can't be used (5.0%), no more than data.max_bad_fraction: 0.05: the run goes on"
        in "\n".join(details(look))
    )
    part.videos.bad = 6
    assert "more than data.max_bad_fraction: 0.05: the run will stop there" in "\n".join(details(look))


def test_the_model_is_trained_whole_where_it_fits_else_by_lora_else_refused(clips, tmp_path):
    look = look_into(str(clips), None, 1)
    for gib, lora in ((80, False), (24, True)):
        spec = written(look, tmp_path / "s.yaml", "Qwen/Qwen3-VL-2B-Instruct@main", Machine(1, gib, "a card"))
        assert bool(spec.train.lora) == lora and spec.train.gpus == spec.evaluate.gpus == spec.quantize.gpus == 1
        assert spec.model == "Qwen/Qwen3-VL-2B-Instruct@main"
        assert f"{'LoRA is' if lora else 'everything is'} trained" in (tmp_path / "s.yaml").read_text()
    with pytest.raises(UserError, match="even LoRA doesn't fit.*a smaller model, or more GPUs"):
        written(look, tmp_path / "s.yaml", "Qwen/Qwen3-VL-8B-Instruct", Machine(1, 16, "a card"))
    assert written(look, tmp_path / "s.yaml", TINY, Machine(4, 80, "")).train.gpus == 4


@pytest.mark.parametrize("name", ["a: b #c", "it's {x}", 'say "hi"', "über", "- yes", "[1]"])
def test_any_name_of_a_folder_reaches_the_spec_as_it_is(clips, tmp_path, name):
    folder = clips.rename(tmp_path / name)
    spec = written(look_into(str(folder), None, 1), tmp_path / "spec.yaml")
    assert spec.data.root == str(folder) and run_name(str(folder))


def init(folder, *words, cwd=ROOT, **options):
    return run_program("init.py", folder, *words, cwd=cwd, **options)


def test_the_program_writes_a_spec_that_check_spec_takes_and_prints_commands(clips, tmp_path):
    output = tmp_path / "out here/spec.yaml"
    process = init(clips, model=TINY, gpus=0, output=output)
    assert process.returncode == 0, process.stderr
    assert "val: 4 questions, 1 scenario\n" in process.stdout
    assert "12 questions about 6 clips of 3 scenarios" in process.stdout and f"{output}: written" in process.stdout
    commands = process.stdout.split("Next:\n")[1].strip().splitlines()
    words = [shlex.split(command, comments=True) for command in commands]
    assert words[-3][-2:] == words[-2][-2:] == ["--configfile", str(output)] and words[-1][-1] == "my-clips"
    check = run_program(*[word for word in words[-4][1:2]][0].split("/")[1:], output)
    assert check.returncode == 0 and "the spec is right" in check.stdout, check.stderr


def test_no_file_is_overwritten_without_force(clips, tmp_path):
    output = tmp_path / "spec.yaml"
    output.write_text("mine")
    process = init(clips, model=TINY, gpus=0, output=output)
    assert process.returncode == 1 and "--force" in process.stderr and process.stderr.count("\n") == 1
    assert output.read_text() == "mine"
    assert init(clips, model=TINY, gpus=0, output=output, force=True).returncode == 0
    assert output.read_text().startswith("# Written by scripts/init.py")
    assert init(clips, gpus=9, output=tmp_path / "x.yaml").returncode == 1 and not (tmp_path / "x.yaml").exists()
