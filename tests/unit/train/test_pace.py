"""The plan's times and memory are those of every recorded run within 15 %: both engines, one and two GPUs, all that can be trained."""

import json

import pytest

from roadtrain.model import flops
from roadtrain.train import memory
from roadtrain.train.preflight import pace
from roadtrain.train.preflight.estimate import learning_of, pass_operations
from roadtrain.train.toml_config import read_train_run
from support.programs import ROOT
from support.run_toml import render_settings

ALL_VIDEOS = {"2B": 16, "8B": 8}  # of a step, in runs that don't say
FRAME_PAIRS = {2880: 4, 7733: 37}
LORA = {"rank": 16, "alpha": 32, "targets": ["language"]}
WAYS = {
    "frozen": {"freeze": ["vision", "projector"], "cache_features": "off"},
    "cached": {"freeze": ["vision", "projector"]},
}
WAYS |= {"lora": {"lora": LORA, "cache_features": "off"}, "lora+cached": {"lora": LORA}, "shared": {}}
NOT_SHIPPED = "a unit of FSDP2 a layer: beside the run on another machine"  # on one GPU the model is one unit


def case(name, row, **more):
    """What a run did: row's own keys, and what its file says of all rows."""
    return pytest.param(
        row | more,
        id=f"{name}-{row.get('size', row.get('phase'))}-{row.get('gpus', more.get('gpus', 1))}-{more['way']}-{more['vision']}",
    )


def recorded():
    """Every row of the four files that our own forward trained."""
    files = {
        name: json.loads((ROOT / f"docs/figures/bench_{name}.json").read_text())
        for name in ("cosmos", "many_gpus", "adapt", "gpu")
    }
    for row in files["cosmos"]["rows"]:
        if not row["phase"].endswith("_stock"):
            per_question = row["phase"] == "per_question"
            clips = row["questions"][0] / (1 if per_question else 16)
            yield case(
                "cosmos",
                row,
                way="shared",
                vision=2880,
                tokens=98,
                segments=1 if per_question else 16,
                clips=clips,
                together=row["clips_a_pass"],
            )
    for row in files["many_gpus"]["rows"]:
        if row["phase"] in ("2B", "long", "8B"):
            yield case(
                "many",
                row | {"size": "8B" if row["phase"] == "8B" else "2B"},
                way="shared",
                vision=7733 if row["phase"] == "long" else 2880,
                tokens=98,
                segments=16,
                clips=16,
                together=2 if row["phase"] == "2B" else 1,
            )
    runs = [files["adapt"], *files["gpu"]["training"]]
    for run in runs:
        for row in run["rows"]:
            way, _, together = row["way"].partition("/")
            if way not in WAYS or "questions_a_second" not in row or run.get("note") == NOT_SHIPPED:
                continue
            gpus, videos = run["machine"]["gpus"], run["machine"]["videos"]
            together = int(together) if together.isdecimal() else 1
            yield case(
                "bench",
                row,
                way=way,
                gpus=gpus,
                vision=row["vision_tokens"],
                tokens=80,
                segments=16,
                clips=videos,
                together=together,
            )


def architecture(row):
    return flops.architecture(f"nvidia/Cosmos-Reason2-{row.get('size', '2B')}")


def run_of(row, tmp_path):
    (tmp_path / "sft.toml").write_text(render_settings({"engine": "local", "gpus": row["gpus"], **WAYS[row["way"]]}))
    return read_train_run(tmp_path / "sft.toml")


def plan_of(row, run):
    tokens = row["together"] * (row["vision"] + 60 + row["tokens"] * row["segments"])
    sizes = {"ranks": row["gpus"], "tokens": tokens, "patches": 4 * row["vision"] * row["together"]}
    checkpointed = row.get("checkpointed", 0.0)
    way = {"checkpointed": checkpointed, "gather_always": row.get("gather_always", False)}
    return memory.MemoryPlan(
        **way, bytes=memory.estimate(architecture(row), learning=learning_of(run, architecture(row)), **sizes, **way)
    )


@pytest.mark.parametrize("row", list(recorded()))
def test_the_time_is_what_was_measured(row, tmp_path):
    arch, run = architecture(row), run_of(row, tmp_path)
    steps = FRAME_PAIRS[row["vision"]]
    pairs = steps * (4 * row["vision"] / steps) ** 2
    work = pass_operations(run, arch, 4 * row["vision"], pairs, row["vision"] + 60, [row["tokens"]] * row["segments"])
    seconds = pace.seconds(
        arch,
        learning_of(run, arch),
        plan_of(row, run),
        row["clips"] * work,
        passes=row["clips"] / row["together"],
        steps=1,
        gpus=row["gpus"],
        adapters=run.lora is not None,
    )
    assert row["clips"] * row["segments"] / seconds == pytest.approx(row["questions_a_second"], rel=0.15)


@pytest.mark.parametrize("row", list(recorded()))
def test_the_memory_is_what_was_measured(row, tmp_path):
    assert plan_of(row, run_of(row, tmp_path)).bytes / 2**30 == pytest.approx(row["peak_gib"], rel=0.15)
