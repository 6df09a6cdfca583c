"""The report of a made-up run."""

from pathlib import Path

from support.programs import run_program


def write_report(spec: Path) -> Path:
    """Compare and report on the run of this spec.json, with its programs; returns the page."""
    page = spec.with_name("report.html")
    processes = [
        run_program(
            "compare.py", spec=spec, evaluate='{"bootstrap_samples": 200}', output=spec.with_name("comparisons.json")
        ),
        run_program("make_report.py", spec=spec, output=page),
    ]
    for process in processes:
        assert process.returncode == 0, process.stderr
    return page
