"""Every command of the docs is one that works: parsed by the program that it starts, with files, rules and targets that exist.

Snakemake's by Snakemake's own parser, programs' by their own, without the work that would follow. (A word after --configfile, say,
is another file to Snakemake, and no target.) `tests/workflow/` runs the chain itself; docs/dvc.md's commands run in a test of
their own.
"""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from support.parsing import parse
from support.programs import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SPECS = sorted((ROOT / "specs").glob("*.yaml"))  # their heads say how they are run
# Programs of others, and why no test here starts them.
OTHERS = {
    "dvc": "versions data in a clone: tests/workflow has a test of docs/dvc.md",
    "git": "changes the repository",
    "pip": "needs the package index; extras are checked",
    "pre-commit": "changes the repository",
    "hf": "needs the network and a model of gigabytes",
    "srun": "needs a cluster; the program that it starts is checked",
    "torchrun": "needs GPUs; the program that it starts is checked",
    "wandb": "needs an account",
    "tensorboard": "serves until it is stopped",
    "apt-get": "changes the machine",
    "cp": "a file's copy",
    "sed": "an edit of a copy",
    "tail": "follows until it is stopped",
    "export": "a variable",
    "cd": "a folder",
    ".": "activates the environment",
    "redis-server": "cosmos-rl starts it",
}
SHELL = ("snakemake", "python", "make", "pytest", *OTHERS)
# Names that stand for something of the reader's.
READERS_OWN = re.compile(r"\b(RUN|ABLATION|FILE|FOLDER|OUT|BASE|DIR|PATH|CHECKPOINT|NAME)\b|<\w+>|specs/mine\.yaml")


def commands(page: Path) -> list[str]:
    """What a page has its reader type: lines of bash blocks, of indented blocks that begin with a program, and of the text."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.lstrip("# ").strip() for line in text.splitlines() if page.suffix == ".yaml" and line.startswith("#")]
    fences = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    for language, block in fences:
        if language in ("bash", "sh", "console"):
            strange = [line for line in block.splitlines() if line.strip() and first_word(line) not in SHELL]
            assert strange == [], f"{page.name}: neither a program of the project nor one in OTHERS"
            lines += block.splitlines()
    without = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    lines += [line.strip() for line in without.splitlines() if line.startswith("    ")]
    # The first cell of a row of troubleshooting.md quotes a message.
    prose = re.sub(r"^    .*$|^\| `[^|]*\|", "", without, flags=re.M)
    lines += re.findall(r"`((?:snakemake|python|make) [^`\n]+)`", prose)
    found = [
        piece
        for line in lines
        for piece in pieces(line)
        if first_word(piece) in ("snakemake", "python", "make", "pytest", "pip", "srun", "torchrun")
    ]
    return list(dict.fromkeys(found))


def first_word(line: str) -> str:
    """The program, behind variables that are set for it; "" where the line is no command."""
    words = re.split(r"\s+", line.strip())
    while words and re.fullmatch(r"[A-Z][A-Z_0-9]*=\S*", words[0]):
        words.pop(0)
    return words[0] if words else ""


def pieces(line: str) -> list[str]:
    """The commands of a line: a && b; what stands behind two blanks in words is no part of it."""
    line = re.sub(r"\s+#\s.*$", "", line)
    line = re.sub(r"\$\((.*?)\)", "TARGETS", line)
    return [piece.strip() for piece in re.split(r"&&|;|\s\|\s", line)]


ALL = [(page, command) for page in [*PAGES, *SPECS] for command in commands(page)]


def test_commands_are_found_where_they_stand():
    per_page = {page.name: sum(other == page for other, _ in ALL) for page, _ in ALL}
    assert len(ALL) > 60 and per_page["quickstart.md"] >= 6 and per_page["README.md"] >= 8 and per_page["sample.yaml"]
    assert {first_word(command) for _, command in ALL} >= {"snakemake", "python", "make", "pip", "pytest"}


def words_of(command: str) -> list[str]:
    words = [word for word in shlex.split(command, comments=True) if word not in ("..", "...")]
    while words and "=" in words[0]:
        words.pop(0)
    return words


# ---------------------------------------------------------------------------------------------------- snakemake
def rules_and_targets() -> set[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (*ROOT.glob("rules/*.smk"), ROOT / "Snakefile"))
    return set(re.findall(r"^ *(?:rule|use rule \w+ as) (\w+)", text, re.M))


@pytest.fixture(scope="module")
def parser():
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


def faults_of_snakemake(parser, words: list[str]) -> list[str]:
    """What is wrong with the arguments of snakemake."""
    profiles = [word for word in words if word.startswith("profiles/")]
    # Plugins (slurm) add options of their own, and profiles are read by another parser.
    args, unknown = parser.parse_known_args([word for word in words if not word.startswith("--slurm-")])
    faults = [f"{word}: an unknown option" for word in unknown]
    faults += [f"{name}: no such profile" for name in profiles if not (ROOT / name / "profile.yaml").is_file()]
    for file in args.configfile or ():
        if not (ROOT / file).is_file() and not READERS_OWN.search(str(file)):
            faults.append(f"--configfile {file}: no such file (every word after --configfile is one)")
    names = rules_and_targets()
    wanted_rules = [*(args.until or ()), *(args.omit_from or ()), *(args.forcerun or ()), *(args.targets or ())]
    for name in map(str, wanted_rules):
        if name not in names and not name.startswith("results/") and name != "TARGETS":
            faults.append(f"{name}: neither a rule nor a file below results/")
    return faults


@pytest.mark.parametrize(
    ("page", "command"), [(p, c) for p, c in ALL if "snakemake" in words_of(c)[:1]], ids=lambda x: str(x)[-60:]
)
def test_snakemake_understands_its_commands(parser, page, command, capsys):
    try:
        assert faults_of_snakemake(parser, words_of(command)[1:]) == [], f"{page.name}: {command}"
    except SystemExit:
        pytest.fail(f"{page.name}: {command}\n{capsys.readouterr().err[-300:]}")


@pytest.mark.parametrize(
    "arguments",
    [
        "--configfile specs/sample.yaml paper",
        "papers --cores all",
        "--cores all --configfile specs/none.yaml",
        "--no-such-option",
        "--profile profiles/none plan",
        "--until preflite",
    ],
)
def test_a_command_that_would_not_work_is_seen(parser, arguments, capsys):
    try:
        assert faults_of_snakemake(parser, arguments.split())
    except SystemExit:
        assert "error" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- programs
def program_of(command: str) -> tuple[Path, list[str]] | None:
    """(program, its arguments) of a command that starts one of ours."""
    words = words_of(command)
    for n, word in enumerate(words):
        if re.fullmatch(r"scripts/[\w/]+\.py", word):
            return ROOT / word, words[n + 1 :]
    return None


PROGRAMS = [(page, command) for page, command in ALL if first_word(command) in ("python", "srun", "torchrun")]


@pytest.mark.parametrize(("page", "command"), PROGRAMS, ids=lambda x: str(x)[-60:])
def test_programs_understand_their_commands(page, command, monkeypatch, capsys):
    if "-m pytest" in command:
        assert all((ROOT / word).exists() for word in command.split() if word.startswith("tests/")), command
        return
    found = program_of(command)
    assert found, f"{page.name}: {command}: starts no program of the project"
    program, words = found
    assert program.is_file(), f"{page.name}: {command}"
    try:
        parse(program, words, monkeypatch)
    except SystemExit as end:
        assert end.code == 0 and "--help" in words, f"{page.name}: {command}\n{capsys.readouterr().err[-400:]}"


def test_an_option_that_a_program_does_not_have_is_seen(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        parse(ROOT / "scripts/watch.py", ["--twice"], monkeypatch)
    assert "--twice" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- the rest
def test_make_targets_extras_and_test_files_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for page, command in ALL:
        words = words_of(command)
        for word in words[1:] if words[0] == "make" else ():
            assert "=" in word or re.search(rf"^{re.escape(word)}:", makefile, re.M), f"{page.name}: {command}"
        for group in re.findall(r"\.\[([\w,]+)\]", command) if words[0] == "pip" else ():
            assert set(group.split(",")) <= extras.keys(), f"{page.name}: {command}"
        for word in words[1:] if words[0] == "pytest" else ():
            assert word.startswith("-") or (ROOT / word).exists(), f"{page.name}: {command}"
