"""docs/spec.md is what the typed models say."""

import os
import subprocess
import sys
from pathlib import Path

from roadtrain.spec import reference
from roadtrain.spec.spec import Spec

ROOT = Path(__file__).parents[3]


def test_the_page_is_current():
    page = (ROOT / "docs/spec.md").read_text(encoding="utf-8")
    assert page == reference.reference_page(), "run scripts/dev/make_reference.py and commit docs/spec.md"


def test_every_key_of_every_section_is_there_with_its_meaning():
    parts = [part.split("\n", 1) for part in reference.reference_page().split("\n## ")[1:]]
    texts = {name: text for title, text in parts for name in title.split(", ")}  # sections of one model share a table
    for name, model, about in reference.sections():
        part = texts[name]
        assert len(about) > 10
        for key, field in model.model_fields.items():
            if reference._section(field) is None:
                assert f"| `{key}` |" in part, f"{name}: {key} is missing"
                assert field.description, f"{name}: {key} has no description"


def test_every_section_of_the_spec_is_there():
    names = [name for name, _, _ in reference.sections()]
    assert names[0] == "The top level" and len(names) == len(set(names))
    for key, field in Spec.model_fields.items():
        if reference._section(field) is not None:
            assert any(name.startswith(f"`{key}") for name in names), key


def test_rows_say_limits_defaults_and_choices():
    page = reference.reference_page()
    assert "| `port` | integer from 1 to 65,535 | `8000` |" in page
    assert "| `learning_rate` | number above 0 to 1 | `2e-05` |" in page
    assert "| `sequences` | `shared-video`, `per-question` | `shared-video` |" in page
    assert "| `questions_per_video` | integer from 1 or `all` | `all` |" in page
    assert "| `allow_failed_gate` | `true`, `false` | `false` |" in page
    assert "| `nframes` | integer from 2 to 768 | – |" in page


def test_the_program_writes_the_page(tmp_path):
    out = tmp_path / "spec.md"
    command = [sys.executable, ROOT / "scripts/dev/make_reference.py", "--output", out]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")})
    assert out.read_text(encoding="utf-8") == reference.reference_page()
