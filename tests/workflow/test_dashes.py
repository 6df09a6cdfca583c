"""Any value of the spec may begin with a dash: no program takes it for an option of its own."""

import argparse
import json
import os
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from roadtrain.spec.reading import read_spec
from roadtrain.spec.spec import Spec
from support.programs import run_python
from support.workflow import ROOT, copy_project, must_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FOLDER, CLIPS, MODEL = "--data", "-clips", "--base"
VALUES = {"data.root": FOLDER, "data.media": CLIPS, "model": MODEL, "ablations.dashed.model": MODEL}
VALUES |= {"data.files.train": "--train.csv", "data.files.val": "--val.csv"}


def texts_of(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """The keys of the spec whose value is any line of text, by the spec's own models."""
    for name, field in model.model_fields.items():
        key, annotation = f"{above}{name}", str(field.annotation)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from texts_of(field.annotation, f"{key}.")
        elif name == "ablations":
            yield f"{key}.dashed.model"
        elif "str" in annotation and not annotation.startswith("dict") and "Literal" not in annotation:
            yield key


def with_value(spec: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of the spec with one key set."""
    spec = json.loads(json.dumps(spec))
    section = spec
    *above, last = key.split(".")
    for name in above:
        section = section.setdefault(name, {})
    section[last] = value
    return spec


class Parsed(BaseException):
    """What a program made of its arguments; it goes no further."""


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> tuple[Path, list[str], list[str]]:
    """(folder, the spec's values that begin with a dash, the commands of a whole run)."""
    work = copy_project(tmp_path_factory.mktemp("dashes"))
    (work / MODEL).symlink_to(work / "specs/sample/base")
    example = ["scripts/dev/make_example.py", "--train", "2", "--val", "2", "--out", f"./{FOLDER}"]
    run_python(*example, cwd=work, env={"PYTHONPATH": "scripts"}).check_returncode()
    folder = work / FOLDER
    for before, after in (("clips", CLIPS), ("train.csv", "--train.csv"), ("val.csv", "--val.csv")):
        (folder / before).rename(folder / after)
    spec = yaml.safe_load((ROOT / "specs/own-data.yaml").read_text())
    spec["ablations"] = {"dashed": spec["ablations"]["nframes4"]}
    spec["logs"] = {"to": ["wandb"]}
    values = []
    for key in texts_of(Spec):
        value = VALUES.get(key, f"--brief {key}")
        changed = with_value(spec, key, [value] if key == "open_questions.questions" else value)
        try:
            read_spec(changed, "spec")
        except ValueError as error:
            assert key in str(error) or key in ("data.files.test", "card.license_name", "card.license_link"), (
                error
            )  # refused, and by its name
            continue
        spec, values = changed, [*values, value]
    (work / "spec.yaml").write_text(yaml.safe_dump(spec))
    out = must_run(work, "--dry-run", "--printshellcmds", "all", "results/own-data/dashed/open_questions.json")
    return work, values, [line.strip() for line in out.splitlines() if "python scripts/" in line]


def test_every_program_gets_what_the_spec_says(commands, monkeypatch):
    work, values, lines = commands
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser) -> None:
        raise Parsed(parse(parser))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.chdir(work)
    monkeypatch.setenv("ROADTRAIN_VISIONS", "[]")  # of the shell: texts of the spec are in no variable
    monkeypatch.setenv("ROADTRAIN_FRAMES", "{}")
    monkeypatch.setenv("MANIFEST", "manifest.json")
    programs, arrived = set(), ""
    for line in lines:
        words = shlex.split(line)
        words = words[: words.index("2>&1")] if "2>&1" in words else words
        start = max(n for n, word in enumerate(words) if word.startswith("scripts/"))
        monkeypatch.setattr(sys, "argv", [os.path.expandvars(word) for word in words[start:]])
        with pytest.raises(Parsed) as parsed:
            runpy.run_path(str(ROOT / words[start]), run_name="__main__")
        programs.add(words[start])
        arrived += f"{parsed.value.args[0]}\n"
    assert len(programs) > 12, programs
    assert {"data.system_prompt", "logs.wandb_project"} <= {value.removeprefix("--brief ") for value in values}
    to_programs = [value for value in values if " cluster." not in value]  # that section is Snakemake's
    assert [value for value in to_programs if value not in arrived] == []
