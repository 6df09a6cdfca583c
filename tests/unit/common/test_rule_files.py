"""What the rules' text must not have."""

import re

from support.programs import ROOT


def test_a_named_input_is_not_another_rules_output():
    """Where a rule has one, Snakemake (9.27) hashes, for each of its inputs, all files of that input's name: with 1,000
    ablations a quarter of a plan. Paths say the same."""
    for file in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]:
        lines = file.read_text(encoding="utf-8").splitlines()
        named = [line.strip() for line in lines if re.match(r"\s+\w+=rules\.\w+\.output", line)]
        assert not named, f"{file.name}: {named}"
