"""The docs quote what is there: messages of the programs, programs, files of the paper, links."""

import re
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from support.programs import python, run_program

NOT_A_SPEC = (
    "Config file is not valid JSON or YAML. In case of YAML, make sure to not mix whitespace and tab indentation."
)
NO_PLUGIN = "argument --executor/-e: invalid choice: 'kubernetes'"
OTHERS_WORDS = ("LockException", NOT_A_SPEC, NO_PLUGIN)  # Snakemake's
ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("docs/*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
]


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_every_message_in_troubleshooting_is_still_said():
    """A quoted message is text of a program (or Snakemake's own name for an error)."""
    programs = [*ROOT.glob("scripts/**/*.py"), ROOT / "Snakefile", *ROOT.glob("rules/*.smk")]
    sources = "\n".join(p.read_text(encoding="utf-8") for p in programs)
    joined = re.sub(r'"\s*\n\s*f?"', "", sources)  # strings that go on in the next line
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    messages = [
        m
        for line in page.splitlines()
        if line.startswith("| `")
        for m in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    ]
    assert len(messages) > 25
    missing = [m for m in messages if m not in joined and m not in OTHERS_WORDS]
    assert missing == []


def test_a_broken_spec_has_snakemakes_words_and_ours(tmp_path):
    """Snakemake opens --configfile before it reads the Snakefile: troubleshooting has its words, and what says the line."""
    spec, page = tmp_path / "spec.yaml", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    spec.write_text("run: [x\n")
    with pytest.raises(WorkflowError) as error:
        load_configfile(str(spec))
    assert str(error.value) == NOT_A_SPEC and f"| `{NOT_A_SPEC}` |" in page
    assert "`python scripts/check_spec.py FILE` names the line" in page
    process = run_program("check_spec.py", str(spec))
    assert process.returncode == 1 and f"{spec}: line 2: " in process.stderr


@pytest.mark.skipif(bool(find_spec("snakemake_executor_plugin_kubernetes")), reason="the plugin is installed")
def test_a_profile_without_its_plugin_has_snakemakes_words_and_the_remedy():
    command = [python(), "-m", "snakemake", "--profile", "profiles/kubernetes", "--dry-run"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode and NO_PLUGIN in process.stderr.splitlines()[-1]
    (install,) = re.findall(
        r"pip install snakemake-executor-plugin-kubernetes==\S+?(?=\.? |`|\n)", read("docs/kubernetes.md")
    )
    for page in ("docs/kubernetes.md", "docs/troubleshooting.md", "profiles/kubernetes/profile.yaml"):
        assert NO_PLUGIN in read(page) and install in read(page), page


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_files_and_make_targets_exist(page):
    text, makefile = page.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / link).exists(), f"{page.name}: {link}"
    for file in re.findall(r"\b(?:scripts|tests|rules|templates|specs)/[\w/.-]+\.(?:py|smk|j2|sh|json)\b", text):
        assert (ROOT / file).exists(), f"{page.name}: {file}"
    for target in re.findall(r"(?:`make (?=[a-z-]+`)|^    make )([a-z-]+)", text, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), f"{page.name}: make {target}"


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings; one that is there twice gets a number."""
    headings = re.findall(
        r"^#+ (.*)", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M
    )
    words = [re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    names = [re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in words]
    return {f"{name}-{names[:n].count(name)}".removesuffix("-0") for n, name in enumerate(names)}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "specs/sample/README.md"], ids=lambda p: p.name)
def test_a_link_into_a_page_leads_to_a_heading(page):
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        assert anchor in anchors(page.parent / file if file else page), f"{page.name}: {file}#{anchor}"


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


# ------------------------------------------------------------------------------------------------ architecture.md
def section(title: str) -> str:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_a_question_passes_at_most_25_files():
    """From annotation to accuracy. scripts/dev/trace_question.py finds them."""
    files = re.findall(r"^\| `([\w/]+\.py)` \|", section("The way of a question"), re.M)
    assert 15 <= len(files) == len(set(files)) <= 25
    assert [file for file in files if not (ROOT / "scripts" / file).is_file()] == []


def test_every_rule_is_in_the_staleness_table():
    """Of those that leave files."""
    rows = [line.split(" | ")[0] for line in section("What is stale").splitlines() if line.startswith("| ")]
    names = set(re.findall(r"`(\w+)`", " ".join(rows)))
    rules = set()
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^ *(?=rule \w+:)", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            if re.search(r"^ +output:", block, re.M):
                rules.add(re.match(r"rule (\w+):", block)[1])
    assert names == rules


def test_the_picture_of_the_rooms_is_that_of_its_words():
    from dev.draw_floor_plan import FLOORS, PICTURE, picture

    assert PICTURE.read_text(encoding="utf-8") == picture(), "run scripts/dev/draw_floor_plan.py"
    rooms = {name for floor in FLOORS for name, _ in floor if "/" not in name} - {"no room"}
    assert rooms == {path.parent.name for path in (ROOT / "scripts/roadtrain").glob("*/__init__.py")}
    modules = FLOORS[-1][0][1].split(", ")
    assert sorted(modules) == sorted(p.stem for p in (ROOT / "scripts/roadtrain").glob("*.py") if p.stem != "__init__")


# ------------------------------------------------------------------------------------------------ version
def test_one_version_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version} - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_test_that_security_names_is_there():
    """A promise without its test is none."""
    tests = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/*.py")}
    words = re.findall(r"`((?:tests/)?[\w/]*test_\w+(?:\.py)?)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(words) > 20
    for word in words:
        file, known = word.endswith(".py"), [f"/{name}" for name in tests]
        held = any(name.endswith(f"/{word}") for name in known) if file else f"def {word}(" in "\n".join(tests.values())
        assert held, f"SECURITY.md: {word}"
