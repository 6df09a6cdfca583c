"""The house keeps its plan (docs/architecture.md): directions of imports, sizes and names, read from the sources."""

import ast
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROADTRAIN = ROOT / "scripts/roadtrain"
# A room imports rooms of earlier lines, and modules that lie in no room. The spec has the sample's section.
ORDER = [
    {"sample"},
    {"spec", "frames"},
    {"data"},
    {"model"},
    {"train"},
    {"evaluate"},
    {"quantize"},
    {"deploy", "results"},
    {"paper"},
]
LEAVES = {"train/cosmos", "evaluate/vllm"}  # the other engines: only programs import them
PROTOCOLS = {"ask_clips"}  # one protocol each, with an implementation an engine
# Participles and verbs don't say what a thing is: questions, not asked; report, not said.
JSON_KEYS = {"found", "listed"}  # preflight.json and audit.json have them
NO_NAMES = set("made said asked own found wanted told seen given taken known drawn shown done listed named".split())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(parts: list[str]) -> str:
    """[train, cosmos, plan] -> train/cosmos; "" for what lies in no room."""
    if "/".join(parts[:2]) in LEAVES:
        return "/".join(parts[:2])
    return parts[0] if (ROADTRAIN / parts[0]).is_dir() else ""


def room_of_file(path: Path) -> str:
    return room_of(list(path.relative_to(ROADTRAIN).parts))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, also inside of functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


# ------------------------------------------------------------------------------------------------ imports
def test_every_room_has_its_place_in_the_order():
    rooms = {path.parent.name for path in ROADTRAIN.glob("*/__init__.py")}
    assert set().union(*ORDER) == rooms and all((ROADTRAIN / leaf).is_dir() for leaf in LEAVES)


def test_imports_go_one_way():
    floor = {room: number for number, rooms in enumerate(ORDER) for room in rooms} | {"": -1}
    wrong = []
    for path in sources("scripts/roadtrain"):
        room = room_of_file(path)
        for line, module in imports(path):
            name, _, rest = module.partition(".")
            other = room_of(rest.split(".")) if name == "roadtrain" else room
            upwards = other not in LEAVES and floor[other] >= floor[room.split("/")[0]]
            engine_room = room in LEAVES and other == room.split("/")[0]
            if other != room and (other in LEAVES or upwards and not engine_room):
                wrong.append(f"{place(path)}:{line}: {room or 'no room'} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_modules_import_no_program_and_no_tool_of_developers():
    programs = {path.stem for path in (ROOT / "scripts").glob("*.py")} | {"dev", "snakemake"}
    wrong = [
        f"{place(path)}:{line}: {module}"
        for path in sources("scripts/roadtrain")
        for line, module in imports(path)
        if module.split(".")[0] in programs
    ]
    assert not wrong, "\n".join(wrong)


# ------------------------------------------------------------------------------------------------ rooms
def test_at_most_ten_modules_lie_in_no_room():
    modules = [path.name for path in ROADTRAIN.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= 10, modules


def test_a_rooms_first_page_is_a_docstring_and_nothing_else():
    """It says what enters, what leaves and where to begin reading."""
    wrong = []
    for path in ROADTRAIN.glob("*/__init__.py"):
        text = ast.get_docstring(tree(path)) or ""
        if len(tree(path).body) != 1 or len(text.split()) < 20:
            wrong.append(place(path))
    assert not wrong, "\n".join(sorted(wrong))


def test_one_name_one_thing():
    homes = defaultdict(set)
    for path in sources("scripts/roadtrain"):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                homes[node.name].add(room_of_file(path))
    assert {name: rooms for name, rooms in homes.items() if len(rooms) > 1 and name not in PROTOCOLS} == {}
    assert all(len(homes[name]) > 1 for name in PROTOCOLS), "a protocol with one implementation is none"


# ------------------------------------------------------------------------------------------------ sizes
def test_files_and_functions_are_short():
    long = []
    for path in sources("scripts", "tests"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        long += [f"{place(path)}: {lines} lines"] if lines > 300 else []
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60:
                long.append(f"{place(path)}:{node.lineno}: {node.name}: {node.end_lineno - node.lineno + 1} lines")
    assert not long, "\n".join(long)


def test_every_test_file_has_a_name_of_its_own():
    """pytest imports them as modules without a package: of two with one name it refuses the second."""
    names = [path.name for path in sources("tests") if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names), {name for name in names if names.count(name) > 1}


def test_tools_are_rarely_switched_off():
    switched_off = []
    for path in sources("scripts", "tests"):
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT and re.search(r"\b(noqa|fmt:)", token.string):
                    switched_off.append(f"{place(path)}:{token.start[0]}")
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        switched_off += re.findall(r"#.*\b(?:noqa|fmt:).*", path.read_text(encoding="utf-8"))
    assert len(switched_off) < 15, "\n".join(switched_off)


# ------------------------------------------------------------------------------------------------ names
def names(node: ast.AST) -> list[str]:
    """What a node names: variables, parameters, attributes that are set, fields, methods and functions."""
    if isinstance(node, ast.Name | ast.Attribute):
        return [getattr(node, "id", None) or node.attr] if isinstance(node.ctx, ast.Store) else []
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler):
        return [node.name or ""]
    return [node.asname or ""] if isinstance(node, ast.alias) else []


def json_keys(node: ast.AST) -> set[int]:
    """Fields of a class that are called as a key of a JSON file that others read."""
    fields = (
        [field.target for field in node.body if isinstance(field, ast.AnnAssign)]
        if isinstance(node, ast.ClassDef)
        else []
    )
    return {id(field) for field in fields if field.id in JSON_KEYS}


def test_names_are_nouns_and_verbs_not_participles():
    wrong = [
        f"{place(path)}:{node.lineno}: {name}"
        for path in [*sources("scripts/roadtrain"), *(ROOT / "scripts").glob("*.py")]
        for nodes in [list(ast.walk(tree(path)))]
        for keys in [set().union(*map(json_keys, nodes))]
        for node in nodes
        for name in names(node)
        if name in NO_NAMES and id(node) not in keys
    ]
    assert not wrong, "\n".join(wrong)
