"""What the rules' text must not have."""

import re
from collections import defaultdict

from support.programs import ROOT


def test_a_named_input_is_not_another_rules_output():
    """Where a rule has one, Snakemake (9.27) hashes, for each of its inputs, all files of that input's name: with 1,000
    ablations a quarter of a plan. Paths say the same."""
    for file in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        lines = file.read_text(encoding="utf-8").splitlines()
        named = [line.strip() for line in lines if re.match(r"\s+\w+=rules\.\w+\.output", line)]
        assert not named, f"{file.name}: {named}"


def test_a_name_of_the_rules_is_given_once():
    """All rule files are one program to Snakemake: a second SUBMITTED changed how every rule after it divided the cores."""
    places = defaultdict(list)
    for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        for match in re.finditer(r"^(?:def (\w+)|(\w+)(?:: [^=\n]+)? = )", path.read_text(), re.MULTILINE):
            places[match[1] or match[2]].append(path.name)
    assert len(places) > 50 and {name: files for name, files in places.items() if len(files) > 1} == {}
