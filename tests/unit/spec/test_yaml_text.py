"""A spec's text is read as it is written; what is written twice, or can't be told, is one line with file and line."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from roadtrain.spec.yaml_text import LARGEST_FILE, parse_values, spec_values
from support.programs import run_program

ABLATIONS = "ablations: {a: {vision: {nframes: 8}}}\n"


def read(text: str):
    return read_spec(parse_values(text + ABLATIONS, "s.yaml"), "s.yaml")


def mistake(function, *arguments) -> str:
    with pytest.raises(SpecError) as caught:
        function(*arguments)
    assert len(str(caught.value).splitlines()) == 1, str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "text, says",
    {
        "a section twice": (
            "train: {epochs: 1}\nrun: x\ntrain: {epochs: 2}\n",
            "train: is there twice, in line 1 and line 3",
        ),
        "a key twice": ("train:\n  epochs: 1\n  epochs: 2\n", "epochs: is there twice, in line 2 and line 3"),
        "equal once read": ('run: x\n"run": y\n', "run: is there twice, in line 1 and line 2"),
        "twice in JSON": ('{"run": "x",\n\t"run": "y"}', "run is there twice"),
        "a key with a bracket twice": ('"x[": 1\n"x[": 2\n', "x[: is there twice"),
        "an ablation twice": ("ablations:\n  b: {}\n  b: {}\n", "b: is there twice, in line 2 and line 3"),
        "alias cycle": ("data: &x\n  files: *x\n", "an alias (*name) stands inside of what it names"),
        "list that holds itself": ("data: &x [*x]\n", "inside of what it names"),
        "unknown alias": ("data: *x\n", "line 1: found undefined alias"),
        "tag": ("run: !!python/object/apply:os.getcwd []\n", "line 1: tag:yaml.org,2002:python/object/apply:os.getcwd"),
        "a tag of a type": ("train: {epochs: !!int 3}\n", "a spec has no tags"),
        "a key with a tag": ("!x run: a\n", "line 1: a key must be text"),
        "two documents": ("run: x\n---\nrun: y\n", "line 2: a second document begins"),
        "a list as a key": ("? [a]\n: b\n", "line 1: a key must be text"),
        "tabs": (
            "train:\n\tepochs: 1\n",
            "line 2: found character that cannot start any token: a tab; indent by spaces",
        ),
        "an open bracket": ("run: [x\n", "s.yaml: line"),
        "a control character": ("run: x\ndata: \x01\n", "s.yaml: line 2: U+0001 has no place"),
        "deep": ("run: " + "[" * 5000, "s.yaml: "),
        "merge of a text": ("data: {<<: x}\n", "line 1: <<: takes a mapping"),
        "half of a surrogate pair": ('run: "\\ud800"\n' + ABLATIONS, "s.yaml: line 1: found invalid Unicode character"),
    }.values(),
)
def test_what_cannot_be_told_is_one_line(text, says):
    assert says in mistake(lambda: read_spec(parse_values(text, "s.yaml"), "s.yaml"))


def test_an_alias_bomb_is_one_line():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 200,000 values" in mistake(parse_values, "\n".join(lines), "s.yaml")


@pytest.mark.parametrize(
    "text, kind", [("", "nothing"), ("# only\n", "nothing"), ("- a\n", "a list"), ("word", "text")]
)
def test_a_file_without_sections_is_one_line(text, kind):
    assert f"must be a mapping of sections, not {kind}" in mistake(parse_values, text, "s.yaml")


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "y", "True", "010", "1e3", "1_000", "0x1F", "2024-01-01", "12.50"]
)
def test_names_are_as_they_are_written(word):
    """YAML 1.1 makes a truth value, a number or a date of each, or another number than it looks."""
    spec = read_spec(parse_values(f"run: {word}\nablations: {{{word}: {{vision: {{nframes: 8}}}}}}\n", "s"), "s")
    assert spec.run == word and list(spec.ablations) == [word]


@pytest.mark.parametrize(
    "word", ["010", "1:30", "1_000", "0x10", "0b1", "0o10", "+-1", "1__0", "١", "9" * 400, "9" * 5000]
)
def test_numbers_that_read_two_ways_are_refused(word):
    for key in ("epochs", "learning_rate"):
        assert f"train.{key}: " in mistake(read, f"train: {{{key}: {word}}}\n")


@pytest.mark.parametrize("word", [".inf", "-.inf", ".nan", "inf", "nan", "1e308", "1e400", "1e99999", "1e-300"])
def test_no_number_beyond_measure_reaches_a_job(word):
    for section, key in (
        ("train", "learning_rate"),
        ("train", "max_grad_norm"),
        ("train", "epochs"),
        ("evaluate", "shards"),
    ):
        assert f"{section}.{key}: " in mistake(read, f"{section}: {{{key}: {word}}}\n")
    for key in ("hours", "memory_gb", "cpus"):
        assert f"cluster.train.{key}: " in mistake(read, f"cluster: {{train: {{{key}: {word}}}}}\n")


@pytest.mark.parametrize(
    "text, value", [("2e-5", 2e-5), ("2.0e-5", 2e-5), ("1", 1.0), (".5", 0.5), ("+0.5", 0.5), ("'0.5'", 0.5)]
)
def test_plain_numbers_are_taken(text, value):
    assert read(f"train: {{learning_rate: {text}}}\n").train.learning_rate == value


@pytest.mark.parametrize("word, value", [("on", "on"), ("off", "off"), ("true", "on"), ("No", "off"), ("auto", "auto")])
def test_on_and_off_are_taken(word, value):
    assert read(f"train: {{gradient_checkpointing: {word}}}\n").train.gradient_checkpointing == value
    typed = {"ablations": {"a": {"vision": {"nframes": 8}, "train": {"gradient_checkpointing": value == "on"}}}}
    if value != "auto":
        assert read_spec(typed, "s").ablation("a").train.gradient_checkpointing == value


def test_truth_values_are_taken_where_one_is_wanted():
    for word, value in (("true", True), ("yes", True), ("off", False)):
        assert read(f"deploy: {{allow_failed_gate: {word}}}\n").deploy.allow_failed_gate is value


def test_merge_keys_and_aliases_are_what_yaml_means():
    text = "x: &x {nframes: 8, min_pixels: 4096}\nablations:\n  a: {vision: *x}\n  b: {vision: {<<: *x, nframes: 4}}\n"
    values = parse_values(text, "s")["ablations"]
    assert values["a"]["vision"] == {"nframes": "8", "min_pixels": "4096"}
    assert values["b"]["vision"] == {"nframes": "4", "min_pixels": "4096"}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_a_quoted_text_is_those_characters(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\u2028", "\\L").replace("\u2029", "\\P")
    quoted = re.sub("[\ufeff\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", quoted)
    try:
        assert parse_values(f'run: "{quoted}"\n', "s") == {"run": text}
    except SpecError as error:  # characters that YAML has no place for
        assert str(error).startswith("s: ") and len(str(error).splitlines()) == 1


# ------------------------------------------------------------------------------------------------ files
def test_what_is_no_spec_is_named_by_its_file(tmp_path):
    (tmp_path / "latin").write_bytes("run: x\ndeploy: {served_name: café}\n".encode("latin-1"))
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "utf16").write_bytes("run: x\n".encode("utf-16"))
    with open(tmp_path / "long", "wb") as stream:
        stream.truncate(100_000_000)
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "latin": "line 2: byte 0xe9 is not UTF-8",
        "binary": "is not UTF-8",
        "utf16": "line 1: byte 0xff is not UTF-8",
        "long": f"100,000,000 bytes: not a spec, which has at most {LARGEST_FILE:,}",
        "pipe": "not a file, not a spec",
        ".": "a folder, not a spec",
        "none": "No such file or directory",
        "x" * 300: "File name too long",
    }
    for name, says in expected.items():
        text = mistake(spec_values, [tmp_path / name])
        assert text.startswith(f"{tmp_path / name}"[:200]) and says in text, text
    assert "not a file, not a spec" in mistake(spec_values, ["/dev/zero"])


def test_a_byte_order_mark_is_no_key(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"\xef\xbb\xbfrun: x\n")
    assert spec_values([tmp_path / "s.yaml"]) == {"run": "x"}


def test_later_files_and_config_go_into_earlier_ones(tmp_path):
    (tmp_path / "a.yaml").write_text("run: x\ntrain: {epochs: 1, seed: 3}\n")
    (tmp_path / "b.yaml").write_text("train: {epochs: 2}\n")
    values = spec_values([tmp_path / "a.yaml", tmp_path / "b.yaml"], ["run=010", "train={seed: 4}"])
    assert values == {"run": "010", "train": {"epochs": "2", "seed": "4"}}
    assert mistake(spec_values, [tmp_path / "a.yaml"], ["train={seed: 1, seed: 2}"]).startswith(
        "--config train: seed: is"
    )
    assert "--config train: line " in mistake(spec_values, [tmp_path / "a.yaml"], ["train={seed: ["])


def test_the_program_says_all_that_and_what_is_absent(tmp_path):
    spec = tmp_path / "s.yaml"
    spec.write_text(f"run: on\ndata: {{root: {tmp_path / 'nowhere'}}}\nmodel: {spec}\n" + ABLATIONS)
    right = run_program("check_spec.py", spec)
    assert (
        right.returncode == 0
        and "run on, 1 ablation: the spec is right, but not all that it names is here" in right.stdout
    )
    assert f"{spec}: data.root: {tmp_path / 'nowhere'}: no such folder" in right.stdout
    assert f"{spec}: model: {spec}: a file, not a model's folder" in right.stdout
    wrong = run_program("check_spec.py", spec, "--config", "train={epochs: 0}")
    assert wrong.returncode == 1 and wrong.stderr.strip().endswith(
        "train.epochs: 0: should be greater than or equal to 1"
    )
    assert len(wrong.stderr.splitlines()) == 1
