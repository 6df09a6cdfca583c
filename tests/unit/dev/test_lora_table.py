"""The table of docs/lora.md is made from what a run left, and the spec that it is made from says what the table says."""

import shutil

import pytest
import yaml

from roadtrain.files import read_json, write_json
from roadtrain.paths import Paths
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import resolve
from support.programs import ROOT, run_python

SPEC = ROOT / "specs/sample-lora.yaml"


@pytest.fixture(scope="module")
def spec():
    return read_spec(yaml.safe_load(SPEC.read_text()), str(SPEC))


def test_every_way_has_three_seeds_and_nothing_else_differs(spec):
    ways = {}
    for name in spec.ablations:
        way, seed = name.rsplit("_", 1)
        train = spec.ablation(name).train
        assert train.seed == int(seed)
        ways.setdefault(way, []).append((train.model_copy(update={"seed": 0}), spec.ablation(name).vision))
    assert {len(same) for same in ways.values()} == {3}
    assert all(same == [same[0]] * 3 for same in ways.values())
    ranks = {way: same[0][0].lora.rank for way, same in ways.items() if way.startswith("lora")}
    assert ranks == {"lora8": 8, "lora16": 16, "lora64": 64, "lora16_everywhere": 16}
    sample = read_spec(yaml.safe_load((ROOT / "specs/sample.yaml").read_text()), "sample")
    assert ways["full"][0][0] == sample.train and ways["full"][0][1] == sample.ablation("nframes8").vision


def table(folder, *more):
    return run_python(ROOT / "scripts/dev/lora_table.py", *more, cwd=folder, env={"PYTHONPATH": str(ROOT / "scripts")})


def rows_of(page, *starts):
    """Rows of the table between the marks."""
    lines = page.read_text().split("lora_table.py: begin", 1)[1].split("lora_table.py: end", 1)[0]
    return [line for line in lines.splitlines() if line.startswith(starts)]


def leave_runs(spec, tmp_path, ways=None):
    """What trainings and evaluations leave, of all ways or of some; the page that the table stands in."""
    paths = Paths("sample-lora")
    write_json(tmp_path / paths.spec, resolve(spec))
    for number, name in enumerate(spec.ablations):
        if ways and name.rsplit("_", 1)[0] not in ways:
            continue
        folder = tmp_path / f"{paths.weights(name)}/epoch_2"
        (folder / "adapter").mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"w" * 2**20)
        manifest = {"path": folder.as_posix(), "seconds": 100 + number, "trained_weights": 1000, "peak_bytes": 2**30}
        if "lora" in name:
            (folder / "adapter/adapter_model.safetensors").write_bytes(b"a" * 2**19)
            manifest["adapter"] = {"path": (folder / "adapter").as_posix(), "rank": 8, "merged": True}
        write_json(tmp_path / paths.checkpoint(name, "epoch_2"), manifest)
        accuracy = {"accuracy": 0.8 + number % 3 / 100, "total_questions": 670}
        write_json(tmp_path / paths.accuracy(name, "epoch_2"), accuracy)
    page = tmp_path / "docs/lora.md"
    page.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "docs/lora.md", page)
    return page


def test_rows_are_means_and_ranges_of_what_the_runs_left(spec, tmp_path):
    page = leave_runs(spec, tmp_path)
    result = table(tmp_path)
    assert result.returncode == 0, result.stderr
    rows = rows_of(page, "| full", "| lora8 ")
    assert "81.0 % (80.0 % to 82.0 %)" in rows[0] and "101 (100 to 102)" in rows[0] and rows[0].endswith("| 1.0 |")
    assert rows[1].endswith("| 1.0, adapter 0.5 |")
    again = page.read_text()
    assert table(tmp_path).returncode == 0 and page.read_text() == again


def test_ways_that_ran_apart_are_put_in_without_their_times(spec, tmp_path):
    page = leave_runs(spec, tmp_path, ["full", "lora64"])
    runs = {}
    for name in (f"{way}_{seed}" for way in ("full", "lora64") for seed in (11, 12, 13)):
        runs[name] = {
            "way": name.rsplit("_", 1)[0],
            "accuracy": 0.5,
            "questions": 670,
            "seconds": 5,
            "trained_weights": 9,
        }
        runs[name] |= {"peak_bytes": 2**30, "checkpoint_bytes": 2**20, "adapter_bytes": None}
    figures = tmp_path / "docs/figures/lora_sample.json"
    write_json(figures, {"machine": "a quiet one", "runs": runs})
    leave_runs(spec, tmp_path, ["lora8"])
    result = table(tmp_path, "--ways", "lora8")
    assert result.returncode == 0, result.stderr
    rows = rows_of(page, "| full", "| lora")
    assert [row.split(" | ")[0] for row in rows] == ["| full", "| lora8", "| lora64"]  # the spec's order
    assert (
        "| 5 (5 to 5) | 1.00" in rows[0]
        and "| 81.0 % (80.0 % to 82.0 %) | apart | apart | 1.0, adapter 0.5 |" in rows[1]
    )
    assert read_json(figures)["machine"] == "a quiet one" and len(read_json(figures)["runs"]) == 9
    unknown = table(tmp_path, "--ways", "lora99")
    assert unknown.returncode == 1 and "--ways lora99: no ablation" in unknown.stderr


def test_a_run_that_is_not_finished_names_what_is_missing(spec, tmp_path):
    write_json(tmp_path / Paths("sample-lora").spec, resolve(spec))
    result = table(tmp_path)
    assert result.returncode == 1 and "results/sample-lora/full_11/checkpoints/epoch_2.json" in result.stderr


def test_the_targets_are_what_the_table_reads(spec):
    result = table(ROOT, "--targets")
    assert result.returncode == 0, result.stderr
    files = result.stdout.split()
    assert files[0] == "results/sample-lora/spec.json" and len(files) == 1 + len(spec.ablations)
    assert files[1] == "results/sample-lora/full_11/accuracy/epoch_2.json"
