"""The environments of envs/: every rule has one that holds what its program imports, and their pins can be installed."""

import ast
import functools
import importlib.metadata
import json
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml

from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.train import Train
from support.workflow import ROOT

SCRIPTS = ROOT / "scripts"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
# What a package surely brings along, so that its environment needn't name it.
BRINGS = {
    "transformers": {"huggingface-hub", "tokenizers", "numpy"},
    "vllm": {"compressed-tensors", "psutil", "torch", "torchvision", "triton"},
    "torch": {"triton"},  # for CUDA
    "pydantic": {"pydantic-core"},
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: typing.Iterable[str]) -> dict[str, str]:
    """{package: version, "" where none is said} of requirement lines."""
    packages = {}
    for line in lines:
        name, _, version = line.split("#")[0].partition("==")
        if name.strip() and not name.startswith("-"):
            packages[canonical(name.strip())] = version.strip().removesuffix("+cpu")
    return packages


def requirements(environment: Path) -> list[str]:
    entries = yaml.safe_load(environment.read_text())["dependencies"]
    return next(entry["pip"] for entry in entries if isinstance(entry, dict))


def lock(name: str) -> dict[str, str]:
    return pins((ROOT / "envs" / f"{name}.lock").read_text().splitlines())


# -------------------------------------------------------------------------------------------- what rules need
def engines(section: type, word: str) -> list[str]:
    return [word.replace("{}", name) for name in typing.get_args(section.model_fields["engine"].annotation)]


def rules() -> list[tuple[str, str, str]]:
    """(rule, program, environment) of every rule, with every engine that a spec may choose."""
    triples = []
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"^ *(?=rule \w+:)", path.read_text(), flags=re.M)[1:]:
            program = re.search(r"python (?!scripts/on_gpus)(scripts/\S+|{params.program})", block)
            conda = re.search(r"conda:\s+(.+)\n", block)
            if program is None:
                continue  # a target
            name = f"{path.name}: {block.split(':')[0]}"
            assert conda, f"{name} has no environment"
            programs, environments = choices(program[1]), choices(conda[1])
            programs *= len(environments) if len(programs) == 1 else 1
            assert len(programs) == len(environments), name
            triples += [(name, *pair) for pair in zip(programs, environments, strict=False)]
    return triples


def choices(value: str) -> list[str]:
    """What a program or an environment of a rule's text can be: one file, or one an engine."""
    if value == "{params.program}":
        return [name.replace("-", "_") for name in engines(Train, "scripts/train_{}.py")]
    if value == "trainer_environment":
        return engines(Train, "../envs/{}.yaml")
    if value == "preflight_environment":
        return ["../envs/workflow.yaml", "../envs/cosmos-rl.yaml"]
    for engine in ("{SPEC.evaluate.engine}", "{params.engine}"):
        if engine in value:
            return engines(Evaluate, value.strip('f"').replace(engine, "{}"))
    return [value.strip('"')]


def imported(tree: ast.AST, package: str) -> typing.Iterator[str]:
    """Dotted names that a program or module imports, at its top or inside of functions; not those for a type checker alone."""
    never = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in never:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*parents, node.module] if node.module else parents)
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


@functools.cache
def imports_of(path: Path) -> list[str]:
    return list(imported(ast.parse(path.read_text()), ".".join(path.relative_to(SCRIPTS).parent.parts)))


@functools.cache
def distributions() -> typing.Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def third_party(program: Path) -> dict[str, str]:
    """{module: who imports it} of a program and of every module of ours that it uses, directly or not."""
    importers, visited, waiting = {}, set(), [program]
    while waiting:
        path = waiting.pop()
        if path in visited:
            continue
        visited.add(path)
        for name in imports_of(path):
            ours = SCRIPTS / name.replace(".", "/")
            if local := next((p for p in (ours.with_suffix(".py"), ours / "__init__.py") if p.is_file()), None):
                waiting.append(local)
                continue
            top = name.split(".")[0]
            if (
                top not in sys.stdlib_module_names
                and not (SCRIPTS / top).exists()
                and not (SCRIPTS / f"{top}.py").exists()
            ):
                importers.setdefault(top, path.relative_to(ROOT).as_posix())
    return importers


@pytest.mark.parametrize("rule, program, environment", rules(), ids=lambda value: Path(value).stem)
def test_a_rules_environment_has_what_its_program_imports(rule, program, environment):
    path = (ROOT / "rules" / environment).resolve()
    assert path.is_file(), f"{rule}: {environment} doesn't exist"
    assert (ROOT / program).is_file(), f"{rule}: {program} doesn't exist"
    there = pins(requirements(path)).keys()
    there = there | {name for package in there for name in BRINGS.get(package, ())}
    for module, importer in third_party(ROOT / program).items():
        if (module, path.stem) == ("cosmos_rl", "workflow"):
            continue  # preflight asks it about runs of that engine only, and then has its environment
        names = {canonical(name) for name in distributions().get(module, [module])}
        assert names & there, f"{rule}: {path.name} lacks {' or '.join(sorted(names))}, which {importer} imports"


def test_every_environment_is_used():
    assert {path.name for path in ENVIRONMENTS} == {Path(environment).name for _, _, environment in rules()}


# ------------------------------------------------------------------------------------------- pins and locks
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_pins_are_those_that_were_tested(environment):
    """An environment pins exactly, and as the lock that the tests ran with; two environments never disagree."""
    tested = lock({"vllm": "vllm-cpu", "cosmos-rl": "cosmos-cpu"}.get(environment.stem, "local"))
    for name, version in pins(requirements(environment)).items():
        if environment.stem == "cosmos-rl" and name in {"torch", "torchvision"}:
            continue  # not the releases of the CPU tests, which the lock explains
        if environment.stem == "vllm" and name == "vllm":
            continue  # the release that was run on a GPU (docs/performance.md); the tests on a CPU run a newer one
        assert name in tested, f"{environment.name}: {name} isn't in the lock"
        assert version == tested[name], f"{environment.name}: {name}=={version}, tested {tested[name]}"


def test_the_local_lock_fits_pyproject():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    exact = [line for line in [*project["dependencies"], *project["optional-dependencies"]["local"]] if "==" in line]
    tested = lock("local")
    assert exact and {name: tested.get(name) for name in pins(exact)} == pins(exact)


# ------------------------------------------------------------------------------------ the package index (make test-index)
@pytest.mark.index
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_can_be_resolved(environment, tmp_path):
    """pip finds releases that fit together, without installing any. Skipped where the index lacks one of the named
    releases: an index that can't be reached, or a mirror of a part of it."""
    python = next(
        entry for entry in yaml.safe_load(environment.read_text())["dependencies"] if str(entry).startswith("python=")
    )
    release = python.removeprefix("python=")
    running = ".".join(map(str, sys.version_info[:2]))
    if release != running:
        pytest.skip(f"{environment.name} is for Python {release}, this is {running}")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    report = tmp_path / "report.json"
    command = [
        *pip,
        "install",
        "--dry-run",
        "--ignore-installed",
        "--quiet",
        "--report",
        report,
        *requirements(environment),
    ]
    process = subprocess.run(command, capture_output=True, text=True)
    if "No matching distribution found for" in process.stderr and any(
        f"found for {line}" in process.stderr for line in requirements(environment)
    ):
        pytest.skip(process.stderr.strip().splitlines()[-1])
    assert process.returncode == 0, process.stderr[-3000:]
    resolved = {
        canonical(entry["metadata"]["name"]): entry["metadata"]["version"]
        for entry in json.loads(report.read_text())["install"]
    }
    pinned = pins(requirements(environment))
    assert {name: resolved[name].split("+")[0] for name in pinned if pinned[name]} == {
        name: version for name, version in pinned.items() if version
    }
