"""Shipped specs, changed at random: each is taken, and resolves to what programs read, or refused in one line a mistake that
names the file and a key or a line. Never a traceback, never a hang."""

import copy
import json
import random
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from render_toml import render
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import resolve
from roadtrain.spec.spec import Spec
from roadtrain.spec.yaml_text import parse_values
from support.fuzzing import rounds

ROOT = Path(__file__).parents[3]
SHIPPED = ["config.yaml", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("specs/*.yaml"))]
TEMPLATE = (ROOT / "templates/sft.toml.j2").read_text(encoding="utf-8")
ODD = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        3.5,
        1e308,
        -1e308,
        1e-320,
        float("nan"),
        float("inf"),
        10**400,
        2**53 + 1,
        "",
        " ",
    ),
    *(
        "on",
        "010",
        "1:30",
        "1_000",
        "1e400",
        "~",
        "~/x",
        ".",
        "..",
        "/",
        "all",
        "local",
        "cosmos-rl",
        "vllm",
        "a b",
        "é",
        "[key]",
    ),
    *(
        "x[",
        "a\nb",
        "\u2028",
        "\x85",
        "{x}",
        "{{ 1 }}",
        "$(id)",
        "-x",
        "\x1b[31m",
        "x" * 5000,
        "\ufeff",
        "int",
        "str",
        "${HOME}",
    ),
    *([], {}, [[]], [{}], {"": 1}, {"[key]": 1}, {"a\nb": {"c": 1}}, [None], ["fp8", "fp8"], [1, "x"], {"vision": {}}),
]


def places(value, path=()):
    """Every key and every entry below `value`."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


def known_keys(chance):
    """A key of some section, whether or not it belongs where it is put."""
    fields = dict(
        chance.choice(
            [Spec, *(f.annotation for f in Spec.model_fields.values() if hasattr(f.annotation, "model_fields"))]
        ).model_fields
    )
    return chance.choice(sorted(fields))


def mutate(spec, chance):
    """Drop, double, retype or move something; or put a key or a value where it doesn't belong."""
    *above, last = chance.choice(list(places(spec)))
    here = spec
    for key in above:
        here = here[key]
    kind = chance.randrange(6)
    if kind == 0:
        del here[last]
    elif kind == 1 and isinstance(here, list):
        here.append(copy.deepcopy(here[last]))
    elif kind == 2 and isinstance(here, dict):
        here[chance.choice([*(one for one in ODD if isinstance(one, str)), known_keys(chance)])] = here[last]
    elif kind == 3 and isinstance(here, dict):
        here[known_keys(chance)] = copy.deepcopy(chance.choice(ODD))
    elif kind == 4 and type(here[last]) is float or type(here[last]) is int and here[last] < 10**9:
        here[last] = chance.choice(
            [-here[last], here[last] * 10**9, here[last] / 3, str(here[last]), here[last] * 1e300]
        )
    else:
        here[last] = copy.deepcopy(chance.choice(ODD))


def check(spec: Spec):
    """What rules and programs make of a spec that was taken."""
    resolved = json.loads(json.dumps(resolve(spec), allow_nan=False))
    assert read_spec(json.loads(spec.results()), "again").results() == spec.results()
    for name in spec.trained():
        ablation = spec.ablation(name)
        assert resolved["ablations"][name]["vision"] == ablation.vision.settings()
        values = {"ablation": ablation, "train": ablation.train, "vision": ablation.vision.settings(), "run": spec.run}
        values |= dict.fromkeys(("llava", "media", "frames", "output_dir"), "x") | {
            "system_prompt": spec.data.system_prompt
        }
        toml = tomllib.loads(render(TEMPLATE, values))
        assert toml["train"]["optm_lr"] == ablation.train.learning_rate
    for stage in ("train", "evaluate", "quantize"):
        resources = getattr(spec.cluster, stage)
        assert 60 * (resources.hours or 0) < 2**31 and 3000 * (resources.memory_gb or 0) < 2**31


def refusal_or_spec(function):
    try:
        return function()
    except SpecError as error:
        lines = str(error).split("\n")
        assert str(error).splitlines() == lines and lines and all(len(line) < 3000 for line in lines)
        assert all(line.startswith("s.yaml: ") or line.startswith("and ") for line in lines), lines
        assert all(line.isprintable() for line in lines), lines
        keys = (*Spec.model_fields, "line ")
        assert all(any(key in line for key in keys) for line in lines if not line.startswith("and ")), lines
        return None


def counted(number, function, outcomes):
    try:
        spec = refusal_or_spec(function)
        if spec is not None:
            check(spec)
        outcomes[spec is not None] += 1
    except Exception as error:
        raise AssertionError(f"seed {number}: {type(error).__name__}: {error}") from error


def test_changed_values_are_taken_or_refused_by_key():
    shipped = [yaml.safe_load((ROOT / file).read_text(encoding="utf-8")) for file in SHIPPED]
    outcomes = {True: 0, False: 0}
    for number in rounds(3):
        chance = random.Random(number)
        spec = copy.deepcopy(chance.choice(shipped))
        for _ in range(chance.choice([1, 1, 2, 4])):
            if spec:
                mutate(spec, chance)
        counted(number, lambda spec=spec: read_spec(spec, "s.yaml"), outcomes)
    assert outcomes[True] and outcomes[False] > outcomes[True], outcomes


def test_changed_text_is_taken_or_refused_by_line_or_key():
    shipped = [(ROOT / file).read_text(encoding="utf-8") for file in SHIPPED]
    pieces = [
        "\n",
        "  ",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "<<: *a",
        "!x ",
        "'",
        '"',
        "|",
        ">",
        "---\n",
        "%",
        "?",
        "\t",
        "#",
        "\x00",
        "\\u0000",
        "010",
        "é",
    ]
    outcomes = {True: 0, False: 0}
    for number in rounds(2):
        chance = random.Random(number)
        text = chance.choice(shipped)
        for _ in range(chance.choice([1, 1, 2, 4])):
            start = chance.randrange(len(text) + 1)
            kind, lines = chance.randrange(3), text.splitlines(keepends=True)
            if kind == 0 and lines:  # a line twice
                line = chance.randrange(len(lines))
                lines.insert(chance.randrange(len(lines)), lines[line])
                text = "".join(lines)
            elif kind == 1:
                text = text[:start] + text[start + chance.randrange(20) :]
            else:
                text = text[:start] + chance.choice(pieces) + text[start:]
        counted(number, lambda text=text: read_spec(parse_values(text, "s.yaml"), "s.yaml"), outcomes)
    assert outcomes[True] and outcomes[False], outcomes


def test_values_deep_and_huge_are_one_line():
    deep: dict = {}
    here = deep
    for _ in range(sys.getrecursionlimit() * 2):
        here["data"] = {}
        here = here["data"]
    cycle: dict = {"run": []}
    cycle["run"].append(cycle["run"])
    for values in (deep, cycle, {"run": 10**5000}, {"run": "x" * 10**6}, {"x" * 10**6: 1}):
        with pytest.raises(SpecError) as caught:
            read_spec(values, "s.yaml")
        assert all(len(line) < 1000 for line in str(caught.value).splitlines())
