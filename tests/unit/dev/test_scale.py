"""What a large run costs follows from the unit costs, and those from the benchmarks' files."""

import json
import shutil

import pytest

from dev.scale import Costs, limits
from dev.scale_figures import FIGURES, own_figures, read_figures
from roadtrain.cli import UserError
from roadtrain.model.flops import architecture
from support.programs import ROOT, run_program

# A run that can be reckoned in one's head.
ROUND = {
    "videos": 1000,
    "questions": 16_000,
    "questions_video": 16,
    "val_share": 0.5,
    "epochs": 2,
    "ablations": 1,
    "batch": 40,
    "seconds": 100,
    "train_video": 0.2,
    "ask_video": 0.1,
    "decode_second": 0.1,
    "frames_bytes": 10_000,
    "video_mbit": 8,
    "node_cores": 50,
    "jobs_ablation": 20,
    "plan_job": 0.01,
    "network_gbit": 8,
}


def costs(gpus: int, **own: float) -> Costs:
    values, _ = read_figures("post-training", FIGURES, ROUND | own)
    return Costs(gpus, values, architecture("nvidia/Cosmos-Reason2-2B"))


def test_costs_follow_from_the_unit_costs():
    one, ten = costs(1), costs(10)
    assert one.training == pytest.approx(2 * 500 * 0.2) and ten.training == pytest.approx(one.training / 10)
    assert (one.steps, ten.steps) == (2 * 8000 // 40, 2 * 8000 // 400)
    assert one.asking == pytest.approx(4 * 500 * 0.1)  # zero-shot, two epochs, one quantized
    assert one.decode_hours == pytest.approx(1000 * 100 * 0.1 / 3600) and one.decode_cores == pytest.approx(10 / 0.2)
    assert one.raw == pytest.approx(1000 * 100 * 1e6) and one.cache == pytest.approx(1000 * 10_000 * (2880 + 7733))
    assert ten.reading == pytest.approx(10 * 2880 * 10_000 / 0.2)
    assert (one.jobs, ten.jobs) == (20, 20 + 4 * 9)
    assert costs(1, questions=8000).training == pytest.approx(one.training / 2)  # half as many questions a video


def test_nodes_exchange_weights_and_gradients_once_a_step():
    """2 bytes of a weight and 4 of its gradient; on 16 GPUs a link carries 15/16 of it."""
    sixteen = costs(16)
    weights = 2_127_532_032  # that bench_adapt.json counted in the model itself
    sent = sixteen.steps * 6 * weights * 15 / 16 * 8 / 8e9
    least, most = sixteen.training_range
    assert (least, most) == (pytest.approx(sent, rel=0.01), pytest.approx(sent + sixteen.training, rel=0.01))
    assert costs(8).training_range == (costs(8).training, costs(8).training)  # one node has no network to cross


def test_cameras_are_a_day_of_clips():
    values, _ = read_figures("cameras", FIGURES, {"cameras": 10, "seconds": 60})
    assert values["videos"] == 14_400 and values["questions"] == 14_400 * 16


def test_limits_name_the_first_number_of_gpus():
    counts = [costs(n, storage_gb=1, network_gbit=1e6) for n in (1, 8, 16)]
    words = limits(counts)
    assert "a step of 256 questions is about 16 videos" in words[0] and "the network is never" in words[1]
    assert "from 8 GPUs on the shared file system" in words[3]  # 144 MB/s a GPU
    assert "from 16 GPUs on the network" in limits([costs(n) for n in (1, 8, 16)])[1]


def test_unit_costs_are_the_benchmarks(tmp_path):
    """Another measurement is another cost: nothing is typed again."""
    shutil.copytree(FIGURES, tmp_path / "figures")
    file = tmp_path / "figures/bench_gpu.json"
    bench = json.loads(file.read_text())
    for row in bench["training"][0]["rows"]:
        row["seconds_a_video"] *= 2
    file.write_text(json.dumps(bench))
    before, _ = read_figures("post-training", FIGURES, {})
    after, sources = read_figures("post-training", tmp_path / "figures", {})
    assert after["train_video"] == 2 * before["train_video"] and sources["train_video"].endswith("bench_gpu.json")


def test_own_figures(tmp_path):
    (tmp_path / "own.yaml").write_text("videos: 5\nseconds: 7\n")
    assert own_figures(["videos=6"], tmp_path / "own.yaml") == {"videos": 6, "seconds": 7}
    with pytest.raises(UserError, match="--set videos: 'many': expected a number"):
        own_figures(["videos=many"], None)
    with pytest.raises(UserError, match="--set vidoes: no such figure"):
        read_figures("post-training", FIGURES, {"vidoes": 1})


def test_the_page_is_what_the_program_says(tmp_path):
    """Renew it: PYTHONPATH=scripts python scripts/dev/scale.py --page docs/scale.md"""
    page = (ROOT / "docs/scale.md").read_text()
    (tmp_path / "scale.md").write_text(page.replace(" | ", " |  "))  # what is renewed is not what was there
    result = run_program("dev/scale.py", env={"PYTHONPATH": "scripts"}, page=tmp_path / "scale.md")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "scale.md").read_text() == page and page.count("<!-- end -->") == 5
    shown = run_program("dev/scale.py", env={"PYTHONPATH": "scripts"}, run="cameras")
    assert "| frame cache, TB | " in shown.stdout and shown.stdout.split("\n\n")[1] in page
