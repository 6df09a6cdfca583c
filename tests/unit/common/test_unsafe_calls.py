"""What would run other people's code, or read their text as a program, is nowhere in the project: SECURITY.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = sorted((ROOT / "scripts").rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
# Reading one of these runs what it says.
PICKLE_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SAFE_YAML = {"SafeLoader", "CSafeLoader"}
# Fields of shell commands that aren't quoted: numbers, the spec's names (letters, digits, `_.-`) and choices of ours.
PLAIN_FIELDS = {
    "threads",
    "resources.nodes",
    "resources.gpu",
    "wildcards.ablation",
    "wildcards.precision",
    "wildcards.split",
    "wildcards.share",
    "wildcards.seed",
    *(f"params.{name}" for name in ("run", "spec_hash", "shard", "gpus", "max_length", "media", "engine", "program")),
    *(f"params.{name}" for name in ("on_bad_video", "max_bad_fraction", "media_links", "sample", "cameras")),
    *(f"params.{name}" for name in ("nodes", "network", "caption_cameras")),
}


def calls(source: str) -> list[tuple[str, ast.Call]]:
    """(name as it is written, call) of every call."""
    return [(ast.unparse(node.func), node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]


def keywords(call: ast.Call) -> dict[str, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg}


def unsafe(source: str) -> list[str]:
    """What a program does that the project promises not to."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"import {name}" for name in names if name.split(".")[0] in PICKLE_MODULES]
        for key, value in named_values(node):
            found += [f"{key}={value}"] if key in ("trust_remote_code", "allow_pickle") and value != "False" else []
    return found + [what for name, call in calls(source) if (what := unsafe_call(name, call))]


def named_values(node: ast.AST) -> list[tuple[str, str]]:
    """(name, expression) of a call's keyword, and of a dict's keys."""
    if isinstance(node, ast.keyword):
        return [(node.arg or "", ast.unparse(node.value))]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return [(str(key.value), ast.unparse(value)) for key, value in pairs if isinstance(key, ast.Constant)]
    return []


def unsafe_call(name: str, call: ast.Call) -> str | None:
    words, options = name.split("."), keywords(call)
    if name == "torch.load" and options.get("weights_only") != "True":
        return "torch.load without weights_only=True"
    if name in ("yaml.load", "yaml.load_all"):
        loader = options.get("Loader") or (ast.unparse(call.args[1]) if len(call.args) > 1 else "")
        return None if loader.split(".")[-1] in SAFE_YAML else f"{name}({loader})"
    if words[0] == "yaml" and words[-1].removesuffix("_all") in ("unsafe_load", "full_load"):
        return name
    unsaid = "trust_remote_code" not in options and all(keyword.arg for keyword in call.keywords)  # **: named_values
    if words[-1] == "from_pretrained" and words[0].startswith("Auto") and unsaid:
        return f"{name} without trust_remote_code=False"
    if options.get("shell", "False") != "False" or name in ("os.system", "os.popen", "subprocess.getoutput"):
        return f"{name} through a shell"
    return name if name in ("eval", "exec") else None


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load('a')",
        "torch.load('a', weights_only=False)",
        "numpy.load('a', allow_pickle=True)",
        "yaml.load(text)",
        "yaml.load(text, yaml.Loader)",
        "yaml.full_load(text)",
        "AutoModel.from_pretrained(path)",
        "AutoModel.from_pretrained(path, trust_remote_code=True)",
        "kwargs = {'trust_remote_code': answer}",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "eval(text)",
    ],
)
def test_each_of_these_is_found(line):
    """The test below would see it."""
    assert unsafe(line)


def test_programs_run_no_code_of_others():
    wrong = {
        str(path.relative_to(ROOT)): what for path in PROGRAMS if (what := unsafe(path.read_text(encoding="utf-8")))
    }
    assert wrong == {}


def test_no_template_profile_or_environment_trusts_remote_code():
    places = [path for name in ("templates", "profiles", "envs", "specs") for path in (ROOT / name).rglob("*")]
    found = re.compile(r"trust.remote.code\W{1,4}(?!\W*(?:false|False))|--trust-remote-code")
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in places if path.is_file()}
    assert [path.name for path, text in texts.items() if found.search(text)] == []


def test_what_a_spec_says_reaches_a_shell_quoted():
    """Fields of the rules' commands are quoted by Snakemake (:q), or are names and numbers."""
    fields = []
    for path in RULES:
        for command in re.findall(r"\bshell:\s*((?:\n?\s*(?:\".*\"|'.*'))+)", path.read_text(encoding="utf-8")):
            fields += re.findall(r"\{([^{}]*)\}", command)
    assert len(fields) > 100
    assert {field for field in fields if not field.endswith(":q")} <= PLAIN_FIELDS
