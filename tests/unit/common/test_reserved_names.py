"""No name of a spec takes the place of another output: every output's name is tried."""

import inspect
from pathlib import PurePosixPath

import pytest

from roadtrain.paths import BASELINES, Paths
from roadtrain.spec import names
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec

RUN = "r"
VALUES = {
    "ablation": ["a", "b", "epoch_1", "fp8", "gate", "best", "metrics.json", "zero_shot"],
    "split": ["train", "val", "test"],
    "checkpoint": ["zero_shot", "epoch_1", "epoch_2", "fp8", "fp8_dynamic", "nvfp4", *BASELINES],
    "precision": ["fp8", "fp8_dynamic", "nvfp4"],
    "vision": ["nframes8", "fps1"],
    "shard": ["1", "2"],
    "share": [0.25, 0.5],
    "seed": [0, 1],
    "name": ["predictions.jsonl", "submission.json"],
    "kind": ["jsonl", "source.json"],
    "count": [2],
}
FREE = {"results", "log", "exported", "benchmark", "paper", "metrics", "ablation"}  # take any parts, or lie elsewhere


def outputs() -> dict[str, tuple[str, dict]]:
    """{output: (method, its values)} of every method and property of Paths, with every combination of values."""
    found: dict[str, tuple[str, dict]] = {}
    for method, member in inspect.getmembers(Paths):
        if method.startswith("_") or method in FREE or method == "run":
            continue
        combinations: list[dict] = [{}]
        if inspect.isfunction(member):
            for parameter in list(inspect.signature(member).parameters)[1:]:
                combinations = [c | {parameter: value} for c in combinations for value in VALUES[parameter]]
        for values in combinations:
            path = getattr(Paths(RUN), method)
            path = path(**values) if callable(path) else path
            key = path.casefold()  # as on macOS and Windows
            assert key not in found, f"{path}: {method}{values} and {found[key]}"
            found[key] = (method, values)
    paths = Paths(RUN)
    for path in (paths.paper("t1_data.md"), paths.metrics("metrics.json"), paths.metrics("accuracy", "a.csv")):
        found[path] = ("parts", {})
    return found


def shared_names() -> set[str]:
    """What lies in results/<run>/ and belongs to no ablation."""
    return {
        PurePosixPath(path).parts[2]
        for path, (_, values) in outputs().items()
        if path.startswith(f"results/{RUN}/") and "ablation" not in values
    }


def spec(*ablations: str, run: str = "r") -> dict:
    return {"run": run, "ablations": {name: {"vision": {"nframes": 8}} for name in ablations}}


def test_every_output_has_a_name_of_its_own_and_those_of_an_ablation_lie_in_its_folder():
    for path, (method, values) in outputs().items():
        if "ablation" in values:
            folder = "weights" if method == "weights" else "results"
            assert path == f"{folder}/{RUN}/{values['ablation']}" or path.startswith(
                f"{folder}/{RUN}/{values['ablation']}/"
            )


def test_the_list_has_every_name_beside_the_ablations():
    assert set(names.RESERVED) == shared_names()


@pytest.mark.parametrize("name", sorted(shared_names()))
def test_an_ablation_takes_no_outputs_name(name):
    for written in {name, name.upper(), name.capitalize()}:
        with pytest.raises(SpecError, match=f"an ablation can't be called {written}: results/<run>/{name} is taken"):
            read_spec(spec("a", written), "s")


@pytest.mark.parametrize("pair", [("A", "a"), ("fps1_8K", "fps1_8k")])
def test_two_ablations_are_two_folders_everywhere(pair):
    with pytest.raises(SpecError, match=f"can't be called {pair[1]}: {pair[0]} is another's; on Windows and macOS"):
        read_spec(spec(*pair), "s")


@pytest.mark.parametrize("name", ["con", "NUL", "aux.8", "Com1", "lpt9.x.y"])
def test_devices_of_windows_are_no_folders(name):
    for value in (spec(name), spec("a", run=name)):
        with pytest.raises(SpecError, match=f"can't be called {name}: Windows has a device"):
            read_spec(value, "s")


def test_a_dot_at_the_end_is_left_away_on_windows():
    for value in (spec("a."), spec("a", run="r..")):
        with pytest.raises(SpecError, match="Windows leaves the dot at the end away"):
            read_spec(value, "s")


def test_other_names_are_free():
    """Those of checkpoints, precisions, files of an ablation and rules: they lie in other folders."""
    free = [
        "epoch_1",
        "zero_shot",
        "fp8",
        "gate.json",
        "train",
        "val",
        "best.json",
        "sft.toml",
        "logs",
        "all",
        "8",
        "a.b",
        "common",
    ]
    assert set(read_spec(spec(*free, run="results"), "s").ablations) == set(free)
