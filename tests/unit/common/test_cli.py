"""Numbers that programs take by hand."""

import argparse
import re

import pytest

from roadtrain import cli
from support.workflow import ROOT


@pytest.mark.parametrize(
    "kind, text, why",
    [
        (cli.at_least(1), "0", "0: should be 1 or more"),
        (cli.at_least(1), "-1", "-1: should be 1 or more"),
        (cli.at_least(1), "two", "invalid whole number"),
        (cli.port(1), "0", "0: should be from 1 to 65535"),
        (cli.port(1), "65536", "to 65535"),
        (cli.port(1), "x", "invalid port"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused_by_name(capsys, kind, text, why):
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=kind)
    assert parser.parse_args(["--number", "1"]).number == 1
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([f"--number={text}"])
    assert stop.value.code == 2 and "--number" in (said := capsys.readouterr().err) and why in said


def test_every_number_of_a_program_has_its_least():
    """Of 0 videos a prompt, threads or nodes nothing could come out, and -1 may be all but the last. A seed may be any number."""
    unbounded = [
        f"{path.name}: {line.strip()}"
        for path in (ROOT / "scripts").glob("*.py")
        for line in re.findall(r".*type=int\b.*", path.read_text())
    ]
    assert unbounded == [line for line in unbounded if '"--seed"' in line]
