"""The docs quote what is there: messages of the programs, programs, files of the paper, links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/*.md")) + [ROOT / "README.md"]


def test_every_message_in_troubleshooting_is_still_said():
    """A quoted message is text of a program (or Snakemake's own name for an error)."""
    sources = "\n".join(p.read_text(encoding="utf-8") for p in [*ROOT.glob("scripts/**/*.py"), ROOT / "Snakefile"])
    joined = re.sub(r'"\s*\n\s*f?"', "", sources)  # strings that go on in the next line
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    messages = [
        m
        for line in page.splitlines()
        if line.startswith("| `")
        for m in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    ]
    assert len(messages) > 25
    gone = [m for m in messages if m not in joined and m != "LockException"]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_programs_exist(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / link).exists(), f"{page.name}: {link}"
    for program in re.findall(r"scripts/\w+\.py", text):
        assert (ROOT / program).exists(), f"{page.name}: {program}"


def test_reproduce_names_every_table_and_figure():
    from roadtrain.paper.contents import FIGURES, TABLES

    text = (ROOT / "docs/reproduce.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*TABLES, *FIGURES))


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert [p.name for p in ROOT.glob("docs/*.md") if p.name != "README.md" and f"]({p.name})" not in index] == []


def test_profiles_in_the_docs_exist():
    for page in PAGES:
        for profile in re.findall(r"profiles/(\w+)", page.read_text(encoding="utf-8")):
            assert (ROOT / "profiles" / profile / "profile.yaml").exists(), f"{page.name}: {profile}"
