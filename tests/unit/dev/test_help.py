"""Every program's --help has an example, and the program takes it."""

import re
import shlex

import pytest

from support.parsing import parse
from support.programs import ROOT, run_program

# cosmos-rl starts it; nobody has to know its arguments.
PROGRAMS = [path for path in sorted((ROOT / "scripts").glob("*.py")) if path.stem != "cosmos_sft"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_help_has_an_example_that_the_program_takes(program, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        parse(program, ["--help"], monkeypatch)
    text = capsys.readouterr().out
    assert end.value.code in (0, None) and text.startswith("usage:")
    examples = re.findall(rf"^    (?:python scripts/)?{program.name} (.*)", re.sub(r"\s*\\\n\s*", " ", text), re.M)
    assert examples, "no example"
    for example in examples:
        words = shlex.split(re.sub(r"\s{2,}\S.*$", "", example), comments=True)
        if "..." not in example and ".." not in words:
            parse(program, words, monkeypatch)


def test_what_cosmos_rl_starts_says_so():
    process = run_program("cosmos_sft.py", "--help")
    assert process.returncode == 0 and "not by hand" in process.stdout
