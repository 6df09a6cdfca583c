"""What makes a result stale (rules/staleness.smk), on a finished run: the plan after one change."""

import ast
import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from roadtrain.files import sha256_code
from support.workflow import ROOT, planned, read, write_spec

SCORES = 2 * 6  # of two ablations: zero_shot, two epochs, fp8, and the baselines
TEXT_ONLY = {"evaluate_checkpoint": 2, "select_best": 2}  # asked of the best epoch, so after it was chosen again
PAPER = {"make_tables", "make_figures", "make_paper", "make_report"}
RETRAINED = {"take_share": 1, "render_toml": 1, "preflight": 1, "train_2_epochs": 1}
# Their programs and modules make nothing stale.
TRAINING = {"train_local", "train_cosmos_rl", "preflight"}


def table() -> dict[str, list[str]]:
    """CODE of rules/staleness.smk: a program and the modules that define its results with it."""
    names: dict = {}
    exec((ROOT / "rules/staleness.smk").read_text(), names)  # Snakemake's own words stand in functions only
    return names["CODE"]


# ------------------------------------------------------------------------------------------------ the table
def test_every_program_and_every_pattern_of_the_table_is_there():
    for program, patterns in table().items():
        assert (ROOT / f"scripts/{program}.py").is_file(), program
        for pattern in patterns:
            assert list((ROOT / "scripts/roadtrain").glob(pattern)), f"{program}: {pattern}: no such module"


def test_every_rule_that_runs_a_program_says_which_code_defines_its_result():
    code, shells = set(), set()
    for path in (ROOT / "rules").glob("*.smk"):
        for block in re.split(r"^ *(?=rule \w+:)", path.read_text(), flags=re.M)[1:]:
            programs = set(re.findall(r"python scripts/(\w+?)(?:_\{params.engine\})?\.py", block)) - {
                "on_gpus",
                "on_nodes",
            }
            parameter = re.search(r'code_of\(f?"(\w+?)(?:_\{SPEC.evaluate.engine\})?"\)', block)
            if "    output:" in block and not programs <= TRAINING:
                assert parameter and programs == {parameter[1]}, f"{path.name}: {block.split(':')[0]}"
                code.add(parameter[1])
            shells |= programs
    assert code | {"evaluate_local", "evaluate_vllm"} == table().keys() | {"evaluate"}
    assert not TRAINING & table().keys() and shells >= {"preflight", "show_plan"}


@pytest.mark.parametrize("room", ["data", "evaluate", "frames", "paper", "quantize", "sample"])
def test_every_module_of_a_stage_is_in_the_table(room):
    """A new module defines results, or this list says that it doesn't."""
    # Lets vLLM start; reads videos for serve.py, which no rule calls; keeps what a pass would compute, bit for bit; what
    # replies depend on, of which these two define none.
    startup = {f"evaluate/vllm/startup/{name}.py" for name in ("roadtrain_reader", "sitecustomize")}
    elsewhere = startup | {"frames/features.py", "evaluate/asking_code.py", "evaluate/reply_key.py"}
    modules = (ROOT / "scripts/roadtrain" / room).rglob("*.py")
    names = {path.relative_to(ROOT / "scripts/roadtrain").as_posix() for path in modules}
    modules_of_table = {
        path.relative_to(ROOT / "scripts/roadtrain").as_posix()
        for patterns in table().values()
        for pattern in patterns
        for path in (ROOT / "scripts/roadtrain").glob(pattern)
    }
    assert {name for name in names if not name.endswith("__init__.py")} - modules_of_table - elsewhere == set()


# ------------------------------------------------------------------------------------------------ hashes of code
CODE = '"""About."""\nimport os\n\n\ndef f(x: int = 1) -> str:\n    """Says."""\n    return f"{x!r}" + "a"  # why\n'


@pytest.mark.parametrize(
    "same",
    [
        CODE.replace("About", "Other words"),
        CODE.replace('    """Says."""\n', ""),
        CODE.replace("  # why", ""),
        CODE.replace("\n\n\n", "\n# between\n\n\n\n").replace('f"{x!r}" + "a"', "(f'{x!r}'\n            + 'a')"),
    ],
)
def test_words_and_formatting_are_no_code(same, tmp_path):
    for name, text in (("a.py", CODE), ("b.py", same)):
        (tmp_path / name).write_text(text)
    assert same != CODE and sha256_code(tmp_path / "a.py") == sha256_code(tmp_path / "b.py")


@pytest.mark.parametrize(
    "change",
    [("= 1", "= 2"), ("= 1", "= 1.0"), ('"a"', 'b"a"'), ("!r", "!s"), ("-> str", ""), ("(x", "(y"), ("+", "*")],
)
def test_everything_else_is(change, tmp_path):
    for name, text in (("a.py", CODE), ("b.py", CODE.replace(*change))):
        (tmp_path / name).write_text(text)
    assert sha256_code(tmp_path / "a.py") != sha256_code(tmp_path / "b.py")


# ------------------------------------------------------------------------------------------------ plans after a change
@pytest.fixture(scope="module")
def run(finished, tmp_path_factory):
    """A copy of the finished run. Each test changes a file, plans, and puts the file back."""
    return shutil.copytree(finished, tmp_path_factory.mktemp("stale") / "w", symlinks=True)


@contextlib.contextmanager
def changed(path: Path, text: str | bytes) -> Iterator[None]:
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def comment(path: Path) -> str:
    """The module with another docstring and a comment, a line further down."""
    source = path.read_text()
    docstring = ast.parse(source).body[0]
    lines = source.splitlines(keepends=True)
    return "".join(["# A comment.\n", '"""Other words."""\n', *lines[docstring.end_lineno :], "\n\n# The end.\n"])


def constant(path: Path) -> str:
    return path.read_text() + "\nANOTHER_CONSTANT = 1\n"


def module(run: Path, name: str) -> Path:
    """scripts/<name>; a pattern stands for the first module that it matches."""
    return sorted(path for path in (run / "scripts").glob(name) if path.name != "__init__.py")[0]


def files_of(program: str) -> set[str]:
    """The program and the modules of its line of the table, below scripts/."""
    room = ROOT / "scripts/roadtrain"
    paths = [path for pattern in table()[program] for path in room.glob(pattern)]
    return {f"{program}.py"} | {path.relative_to(ROOT / "scripts").as_posix() for path in paths}


def programs_of_rules() -> dict[str, str]:
    """{rule: the program whose line of the table is its parameter}, of the local engines."""
    blocks = [
        re.split(r"^ *rule (?=\w+:)", path.read_text(), flags=re.M)[1:] for path in (ROOT / "rules").glob("*.smk")
    ]
    found = {block.split(":")[0]: re.search(r'code_of\(f?"(.+?)"\)', block) for of_file in blocks for block in of_file}
    return {rule: code[1].replace("{SPEC.evaluate.engine}", "local") for rule, code in found.items() if code}


def hashes(run: Path) -> dict[str, str]:
    """{program: the hash that its rules have as a parameter}, as a new Snakemake would have it. In `run`: hashes are kept there."""
    names: dict = {"workflow": SimpleNamespace(basedir=str(run))}
    exec((run / "rules/staleness.smk").read_text(), names)
    return {program: names["code_of"](program)(None) for program in names["CODE"]}


@pytest.mark.slow
def test_what_each_rule_left_is_recorded_with_the_hash_of_its_own_program(run, monkeypatch):
    """Rule by rule, by Snakemake's records: with another hash it would run again. Training's and preflight's have none."""
    monkeypatch.chdir(run)
    of_program, programs, rules = hashes(run), programs_of_rules(), set()
    for path in (path for path in (run / ".snakemake/metadata").rglob("*") if path.is_file()):
        record = read(path)
        rule = record["rule"]
        rules.add(rule)
        recorded = {program for program, code in of_program.items() if repr(code) in record["params"]}
        assert recorded == ({programs[rule]} if rule in programs else set()), rule
    elsewhere = {"ask_served", "ask_test", "make_submission", "merge_predictions", "take_share"}  # the sample has none
    assert rules >= programs.keys() - elsewhere - {"answer_open_questions", "export_logs"}
    assert rules - programs.keys() == {"preflight", "train_2_epochs"}


@pytest.mark.slow
def test_a_file_changes_the_hashes_of_the_lines_that_name_it(run, monkeypatch):
    """Each program, and a module of each pattern."""
    monkeypatch.chdir(run)
    before = hashes(run)
    patterns = {f"roadtrain/{pattern}" for line in table().values() for pattern in line}
    for name in (*(f"{program}.py" for program in table()), *sorted(patterns)):
        path = module(run, name)
        with changed(path, constant(path)):
            after = hashes(run)
        file = path.relative_to(run / "scripts").as_posix()
        assert {key for key in before if after[key] != before[key]} == {key for key in table() if file in files_of(key)}
    assert hashes(run) == before


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_words_and_whatever_the_table_does_not_name_make_nothing_stale(run):
    """Other docstrings and comments in every file of the table, comments in every rule, other code in every file beside the
    table, the trainers and preflight among it, and other pages."""
    of_table = set().union(*(files_of(program) for program in table()))
    with contextlib.ExitStack() as stack:
        for path in sorted((run / "scripts").rglob("*.py")):
            words = path.relative_to(run / "scripts").as_posix() in of_table
            stack.enter_context(changed(path, comment(path) if words else constant(path)))
        for path in (run / "Snakefile", *(run / "rules").glob("*.smk")):
            text = re.sub(r"^( +)(output|shell):", r"\1# A comment.\n\1\2:", path.read_text(), flags=re.M)
            stack.enter_context(changed(path, f"# A comment.\n{text}\n# The end.\n"))
        for path in (run / "README.md", run / "Makefile", *(run / "docs").glob("*.md"), *(run / "tests").rglob("*.py")):
            stack.enter_context(changed(path, path.read_text() + "\n# Other words.\n"))
        assert planned(run) == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_another_reading_of_answers_scores_again_and_asks_nothing_again(run):
    path = module(run, "roadtrain/data/answers.py")
    with changed(path, constant(path)):
        assert planned(run, "evaluate") == {"answer_by_majority": 2, "score": 10} | TEXT_ONLY
        jobs = planned(run)
    # The best epoch is chosen again, and what is made from it: quantization and its evaluation stand in the plan.
    assert jobs["score"] == SCORES and jobs["evaluate_checkpoint"] == 4 and jobs["quantize_checkpoint"] == 2
    assert {"gate", "compare", "render_deploy", "make_metrics", *PAPER} <= jobs.keys()
    assert not {"train_2_epochs", "decode_frames", "describe_base", "render_toml"} & jobs.keys()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_code_of_the_paper_makes_the_paper_stale(run):
    path = module(run, "roadtrain/paper/*.py")
    with changed(path, constant(path)):
        assert planned(run).keys() == PAPER


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "name, target, jobs",
    [
        ("roadtrain/evaluate/evaluation.py", "evaluate", {"evaluate_checkpoint": 8, "score": 8, "select_best": 2}),
        ("roadtrain/evaluate/majority.py", "evaluate", {"answer_by_majority": 2, "score": 2}),
        ("roadtrain/frames/sampling.py", "data", {"decode_frames": 4}),
        ("roadtrain/data/sources/*.py", "data", {"convert_annotations": 1, "decode_frames": 4}),
        ("select_best.py", "evaluate", TEXT_ONLY | {"score": 2}),
        ("write_spec.py", "data", {"write_spec": 1}),
    ],
)
def test_code_of_a_stage_makes_its_results_stale(run, name, target, jobs):
    path = module(run, name)
    with changed(path, constant(path)):
        assert planned(run, target) == jobs


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_another_base_model_trains_again(run):
    path = run / "specs/sample/base/chat_template.jinja"
    with changed(path, path.read_bytes() + b"\n"):
        jobs = planned(run, "train")
    assert jobs == {"describe_base": 2, "train_2_epochs": 2, **({"export_logs": 2} if "export_logs" in jobs else {})}


# ------------------------------------------------------------------------------------------------ keys of the spec
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "change, target, jobs",
    [
        ({"evaluate": {"bootstrap_samples": 300}}, "evaluate", TEXT_ONLY | {"score": 10}),
        ({"evaluate": {"gpus": 1}}, "evaluate", TEXT_ONLY | {"score": 10}),  # it stands in the spec's hash
        ({"evaluate": {"max_new_tokens": 3}}, "evaluate", {"evaluate_checkpoint": 8, "score": 10, "select_best": 2}),
        ({"quantize": {"max_accuracy_drop": 0.5}}, "quantize", {"gate": 2}),
        ({"quantize": {"gpus": 1}, "cluster": {"train": {"memory_gb": 60}}}, "quantize", {}),
        ({"card": {"license": "mit"}}, "all", {"write_cards": 1}),
        # A share of one ablation trains only that one.
        ({"ablations": {"fps2": {"train": {"share": 0.5}}}}, "train", RETRAINED),
    ],
)
def test_keys_of_the_spec_make_what_they_define_stale(run, change, target, jobs):
    with changed(run / "spec.yaml", (run / "spec.yaml").read_bytes()):
        write_spec(run, change)
        # spec.json, which every target has, says what the spec is; cards stand in none.
        plan = planned(run, target)
    plan.pop("export_logs", None)  # only where TensorBoard is installed
    assert plan == jobs | ({} if "card" in change else {"write_spec": 1})
