"""The plan's figures for cosmos-rl are those of docs/figures/bench_cosmos.json within 15 %: time by the rates, memory by the plan."""

import json

import pytest

from roadtrain.model import flops
from roadtrain.train import memory
from roadtrain.train.preflight.estimate import COSMOS_RL_RATES, COSMOS_RL_SEVERAL
from support.programs import ROOT

BENCH = json.loads((ROOT / "docs/figures/bench_cosmos.json").read_text())
ROWS = [row for row in BENCH["rows"] if not row["phase"].endswith("_stock")]
ARCH = flops.architecture("nvidia/Cosmos-Reason2-2B")
VISION, QUESTIONS, TOKENS = BENCH["vision_tokens"], BENCH["questions_a_clip"], BENCH["tokens_a_question"]
PREFIX = VISION + 60  # system prompt and time stamps


def kind(row):
    return "per-question" if row["phase"] == "per_question" else "shared-video"


def questions_a_pass(row):
    return 1 if kind(row) == "per-question" else QUESTIONS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['phase']}-{row['call']}")
def test_the_time_is_what_was_measured(row):
    segments = [TOKENS] * questions_a_pass(row)
    patches = 4 * VISION
    work = 3 * flops.forward(ARCH, patches, 4 * (patches / 4) ** 2, PREFIX, segments)
    rates = COSMOS_RL_RATES if row["clips_a_pass"] == 1 else COSMOS_RL_SEVERAL
    rate = row["gpus"] * rates[kind(row)]
    assert len(segments) * rate / work == pytest.approx(row["questions_a_second"], rel=0.15)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['phase']}-{row['call']}")
def test_the_memory_is_what_was_measured(row):
    tokens = PREFIX + TOKENS * questions_a_pass(row)
    clips, sizes = row["clips_a_pass"], {"ranks": row["gpus"], "learning": memory.Learning.of(ARCH)}
    plan = memory.choose(ARCH, 80 * 2**30, "auto", tokens=clips * tokens, patches=clips * 4 * VISION, **sizes)
    assert not plan.checkpointed and plan.bytes / 2**30 == pytest.approx(row["peak_gib"], rel=0.15)
