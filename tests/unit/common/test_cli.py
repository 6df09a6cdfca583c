"""Numbers that programs take by hand."""

import argparse
import re

import pytest

from roadtrain import cli
from support.workflow import ROOT


@pytest.mark.parametrize(
    "text, why", [("0", "0: should be 1 or more"), ("-1", "-1: should be 1 or more"), ("two", "invalid whole number")]
)
def test_a_number_below_its_least_is_refused_by_name(capsys, text, why):
    parser = argparse.ArgumentParser()
    parser.add_argument("--videos", type=cli.at_least(1))
    assert parser.parse_args(["--videos", "1"]).videos == 1
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([f"--videos={text}"])
    assert stop.value.code == 2 and "--videos" in (said := capsys.readouterr().err) and why in said


@pytest.mark.parametrize(
    "text, why", [("0", "0: should be from 1 to 65535"), ("65536", "to 65535"), ("x", "invalid port")]
)
def test_a_number_that_is_no_port_is_refused_by_name(capsys, text, why):
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=cli.port(1))
    assert parser.parse_args(["--port", "65535"]).port == 65535
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([f"--port={text}"])
    assert stop.value.code == 2 and "--port" in (said := capsys.readouterr().err) and why in said


def test_every_number_of_a_program_has_its_least():
    """Of 0 videos a prompt, threads or nodes nothing could come out, and -1 may be all but the last. A seed may be any number."""
    unbounded = [
        f"{path.name}: {line.strip()}"
        for path in (ROOT / "scripts").glob("*.py")
        for line in re.findall(r".*type=int\b.*", path.read_text())
    ]
    assert unbounded == [line for line in unbounded if '"--seed"' in line]
