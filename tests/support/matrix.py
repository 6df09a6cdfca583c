"""scripts/dev/conformance_matrix.py at a hundredth of the pixels, in whichever environments its ways need."""

import os
import subprocess
import sys
from pathlib import Path

from roadtrain.files import read_json
from support.programs import ROOT

CLIPS = ("plain", "odd-size", "odd-count", "variable", "edit-list", "window")


def run_matrix(root: Path, *ways: str, setting: str) -> dict[str, dict[str, dict]]:
    """{way: {clip: its cell}} of CLIPS under one setting. Raises AssertionError with what the program says when it fails."""
    command = [sys.executable, "scripts/dev/conformance_matrix.py", "--tiny", "--gpus", "0", "--work", root / "work"]
    command += ["--output-dir", root, "--clips", *CLIPS, "--settings", setting, "--ways", "us", *ways]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    process = subprocess.run(list(map(str, command)), cwd=ROOT, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-4000:]
    cases = read_json(root / "conformance.json")["cases"]
    names = cases[0]["ways"]
    return {way: {case["clip"]: case["ways"][way] for case in cases} for way in names}
