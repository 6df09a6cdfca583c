"""Sections and keys of the spec as options of programs: defaults and checks are the models'."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from roadtrain.cli import UserError
from roadtrain.spec.arguments import add_key, add_section
from roadtrain.spec.data import Data
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.open_questions import OpenQuestions
from roadtrain.spec.quantize import Quantize
from roadtrain.spec.train import Train

SCRIPTS = Path(__file__).parents[3] / "scripts"


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_section(parser, "evaluate", Evaluate)
    add_section(parser, "open_questions", OpenQuestions)
    add_key(parser, Data, "on_bad_video")
    add_key(parser, Train, "model_max_length", default=None)
    return parser.parse_args(arguments)


def test_without_the_option_and_with_an_empty_section_there_are_all_defaults():
    assert parse().evaluate == parse("--evaluate", "{}").evaluate == Evaluate()
    assert parse().open_questions == OpenQuestions()


def test_runs_without_captions_of_their_own_are_asked_as_before():
    """What the rule passes: another text would make finished predictions stale."""
    assert "captions" not in Evaluate().asking()
    other = Evaluate.model_validate({"captions": {"temperature": 0.7, "seed": 3}})
    assert Evaluate.model_validate_json(other.asking()).captions == other.captions


def test_a_section_is_json_or_a_file_of_it(tmp_path):
    text = json.dumps({"max_new_tokens": 4})
    (tmp_path / "e.json").write_text(text)
    for argument in (text, str(tmp_path / "e.json")):
        assert parse("--evaluate", argument).evaluate == Evaluate(max_new_tokens=4)
    assert parse("--open-questions", '{"questions": ["--Why {x}?"]}').open_questions.questions == ["--Why {x}?"]


@pytest.mark.parametrize(
    "text, says",
    [
        ('{"max_new_tokens": 0}', "evaluate.max_new_tokens: 0: should be greater than or equal to 1"),
        ('{"max_tokens": 3}', "evaluate.max_tokens: unknown key; did you mean max_new_tokens?"),
        ('{"answers": "any"}', "evaluate.answers: 'any': should be 'free' or 'letters'"),
        ("{", "--evaluate: not JSON"),
    ],
)
def test_a_mistake_speaks_the_specs_language(text, says):
    with pytest.raises(UserError) as caught:
        parse("--evaluate", text)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="nowhere.json"):
        parse("--evaluate", "nowhere.json")


def test_a_key_has_the_models_default_and_choices():
    assert parse().on_bad_video == Data().on_bad_video and parse().model_max_length is None
    assert parse("--on-bad-video", "fail", "--model-max-length", "64").model_max_length == 64
    with pytest.raises(SystemExit):
        parse("--on-bad-video", "perhaps")


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5"])
def test_a_key_has_the_models_bounds(text):
    with pytest.raises(UserError, match=f"--model-max-length: '{text}': "):
        parse("--model-max-length", text)


@pytest.mark.parametrize(
    "section, part, changes",
    [
        (Evaluate, "asking", {"shards": 2, "gpus": 0, "bootstrap_samples": 100}),
        (Evaluate, "scoring", {"shards": 2, "gpus": 0, "max_new_tokens": 1, "answers": "letters"}),
        (Quantize, "compression", {"gpus": 0, "max_accuracy_drop": 1.0, "precisions": ["nvfp4"]}),
        (Quantize, "verdict", {"gpus": 0, "kv_cache": "fp8", "calibration_videos": 1}),
        (Quantize, "calibration_length", {"gpus": 0, "kv_cache": "fp8", "max_accuracy_drop": 1.0}),
        (Data, "conversion", {"system_prompt": "Other.", "sample": {"seed": 1}}),
    ],
)
def test_the_part_that_defines_a_result_leaves_the_rest_out(section, part, changes):
    assert getattr(section(**changes), part)() == getattr(section(), part)()
    assert section.model_validate_json(getattr(section(), part)()) == section()


def test_converting_loads_what_it_reads():
    code = "import sys, convert_annotations; print(*sorted(n for n in sys.modules if n.startswith('roadtrain.spec.')))"
    process = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert process.stdout.split() == [
        f"roadtrain.spec.{name}" for name in ("arguments", "data", "frames", "mistakes", "section", "vision")
    ]
