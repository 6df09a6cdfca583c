"""The real cosmos-rl (its packer contract, its loader, its HF wrapper, its schedule) on the committed base, on a CPU: the
same tokens as evaluation, the same loss and gradients shared and per question, the same loss as the local engine.

cosmos-rl has its own Python environment: `make test-cosmos` sets one up and runs these.
"""

import json
import subprocess

import pytest

from roadtrain.data.llava import read_questions, write_entries
from roadtrain.train import batches, toml_config
from support import tiny
from support.real_cosmos_rl import ENVIRONMENT, PYTHON, needs_cosmos_rl, prepare, write_toml
from support.run_toml import PROMPT
from support.training import ROOT

pytestmark = needs_cosmos_rl


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("cosmos"))


@pytest.fixture(scope="module")
def report(root):
    """What tests/support/cosmos_step.py saw in cosmos-rl's environment. Per-question batches of the same questions: one step holds
    the whole epoch's."""
    whole = 27
    shared, apart = write_toml(root, "shared.toml"), write_toml(root, "apart.toml", sequences="per-question")
    assert sum(1 for _ in read_questions(root / "x.llava.json")) == whole
    first = batches.steps(
        list(read_questions(root / "x.llava.json")), epoch=1, seed=0, batch_questions=20, questions_per_video=None
    )[0]
    # The per-question run gets the questions of the shared run's first step, and as many again that it doesn't reach.
    kept = {e.id for group in first for e in group.entries}
    values = [v for v in json.loads((root / "x.llava.json").read_text()) if v["id"] in kept]
    write_entries(root / "first.llava.json", values)
    text = apart.read_text().replace("x.llava.json", "first.llava.json")
    apart.write_text(text.replace("train_batch_per_replica = 20", f"train_batch_per_replica = {len(kept)}"))
    command = [PYTHON, "-m", "support.cosmos_cpu", shared, apart]
    result = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=1500)
    lines = [line for line in result.stdout.splitlines() if line.startswith("REPORT ")]
    assert result.returncode == 0 and lines, result.stdout[-1500:] + result.stderr[-3000:]
    return json.loads(lines[0].removeprefix("REPORT ")) | {"questions": len(kept)}


def test_the_wrapper_attends_by_sdpa_and_takes_every_weight(report):
    assert report["attention"] == ["sdpa", "sdpa"] and report["missing"] == []
    assert report["trainer"] == ["RoadtrainTrainer", "SFTTrainer"]


def test_exports_have_the_bases_names(report):
    assert set(report["exported_names_differ"]) <= {"lm_head.weight"}


def test_shared_and_per_question_are_one_loss_and_one_gradient(report):
    shared, apart = report["shared"], report["apart"]
    assert shared["loss"] == pytest.approx(apart["loss"], rel=1e-5)
    assert report["worst_gradient"] < 1e-3  # float32
    assert report["parameters"][0] >= report["parameters"][1] - 1
    assert report["vision_gradient"] > 1e-3  # the text sees the video
    assert apart["passes"] == report["questions"] > shared["passes"] >= 3 and shared["tokens"] < apart["tokens"]


@pytest.mark.parametrize("kind", ["segments", "dense", "flex"])
def test_the_local_engines_forward_takes_the_same_step(report, kind):
    """In cosmos-rl's wrapper and on transformers 4.57, in each way to attend; `flex` with layers traced as a GPU compiles them,
    each as one graph."""
    own, stock = report["own"][kind], report["shared"]
    assert own["model"] == "RoadtrainModel" and own["attention"] == kind
    assert own["passes"] == stock["passes"] and own["parameters"]
    assert own["loss"] == pytest.approx(stock["loss"], rel=1e-5) and own["worst_gradient"] < 1e-3  # float32
    assert own["graphs"][0] >= 2 if kind == "flex" else own["graphs"] == [0]


@pytest.mark.parametrize("kind", ["segments", "dense", "flex", "stock"])
def test_two_clips_a_pass_are_the_same_step(report, kind):
    pairs = report["pairs"] if kind == "stock" else report["own"][kind]["pairs"]
    assert pairs["passes"] == -(-report["shared"]["passes"] // 2)
    assert pairs["loss"] == pytest.approx(report["shared"]["loss"], rel=1e-5) and pairs["worst_gradient"] < 1e-3


def test_two_clips_a_pass_on_two_ranks_average_to_the_same_step(report):
    """A rank with fewer clips leaves those out that count nothing, and has as many passes."""
    two = report["pairs"]["two_ranks"]
    assert two["passes"][0] == two["passes"][1]
    assert two["loss"] == pytest.approx(report["shared"]["loss"], rel=1e-5) and two["worst_gradient"] < 1e-3


def test_compiling_is_no_silence(report):
    """A first sequence of its length takes longer than the launcher waits for a training process that hangs."""
    assert report["phases"] == ["training", "compiling", "training", "training"]


def test_ranks_average_to_the_same_step(report):
    """Two ranks with half the batch each: as many passes on both, and the mean of their losses and gradients is the
    step's."""
    two = report["two_ranks"]
    assert two["passes"][0] == two["passes"][1]
    assert two["loss"] == pytest.approx(report["shared"]["loss"], rel=1e-5) and two["worst_gradient"] < 1e-3


def test_prompt_and_pixels_are_those_of_evaluation(root, report):
    """transformers 4.57 in cosmos-rl's environment, 5 here."""
    from roadtrain.frames.index import FrameIndex
    from roadtrain.model.loading import load_processor
    from roadtrain.model.prompts import Prompter

    entry = next(iter(read_questions(root / "x.llava.json")))
    prompter = Prompter(load_processor(tiny.BASE), PROMPT)
    prefix = prompter.prefix(FrameIndex.load(root / "index.json").read(entry.clip))
    assert report["ids"]["prefix"] == prefix.input_ids.tolist()
    segment = prompter.segment(entry)
    assert (report["ids"]["segment"], report["ids"]["answer"]) == (segment.prompt_ids, segment.answer_ids)
    pixels = prefix.pixels.double()
    assert report["ids"]["pixels"] == pytest.approx([float(pixels.sum()), float(pixels.square().sum())], rel=1e-9)
    assert report["positions"] == 0


def test_the_local_engine_has_the_same_loss(root, report):
    import torch

    from roadtrain.frames.index import FrameIndex
    from roadtrain.model.forward import answer_logits
    from roadtrain.model.loading import load_model, load_processor
    from roadtrain.model.loss import answer_loss
    from roadtrain.model.prompts import Prompter
    from roadtrain.model.sequences import build

    config = toml_config.read_train_run(root / "shared.toml")
    model, prompter = load_model(tiny.BASE, "float32"), Prompter(load_processor(tiny.BASE), PROMPT)
    index = FrameIndex.load(root / "index.json")
    step = batches.epoch_batches(config, list(read_questions(config.llava)), epoch=1, ranks=1)[0]
    total = 0.0
    with torch.no_grad():
        for group in step:
            clip = (prompter.prefix(index.read(group.clip)), [prompter.segment(e) for e in group.entries])
            sequence = build([clip], model.config.video_token_id)
            logits = answer_logits(model, sequence)
            total += answer_loss(logits, sequence.targets, sequence.target_questions).item()
    assert report["shared"]["loss"] == pytest.approx(total / report["questions"], rel=1e-4)


def test_learning_rates_are_the_same(report):
    assert report["rates"] < 1e-12


def test_another_release_is_refused(tmp_path):
    """The replacements know one release of cosmos-rl: any other is one line, not a wrong training run."""
    code = (
        "from roadtrain import cli\n"
        "from roadtrain.train.cosmos import hooks, schema\n"
        "schema.VERSION = '0.4.6'\n"
        "cli.main(hooks.check_versions)()"
    )
    result = subprocess.run([PYTHON, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert (
        result.returncode == 1
        and "cosmos-rl is 0.4.7: " in result.stderr
        and "pip install cosmos-rl==0.4.6" in result.stderr
    )


def test_redis_and_the_controller_listen_on_this_machine_only(tmp_path):
    """The configuration that cosmos-rl writes, through our replacement; the socket that its launcher binds."""
    code = (
        "import sys; from roadtrain import torchvision_cpu; torchvision_cpu.ensure()\n"
        "from roadtrain.train.cosmos import hooks, launcher\n"
        "hooks.listen_locally(sys.argv[1])\n"
        "import cosmos_rl.utils.network_util as n\n"
        "print(n.write_redis_config(12800, '/tmp/redis.log', file_path=sys.argv[1] + '/redis.conf', custom_config='maxmemory 500G'))\n"
        "print('ADDRESS', launcher.bind_locally(18000).getsockname()[0])"
    )
    result = subprocess.run([PYTHON, "-c", code, tmp_path], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert result.returncode == 0 and "ADDRESS 127.0.0.1" in result.stdout, result.stderr[-2000:]
    lines = (tmp_path / "redis.conf").read_text().splitlines()
    assert 'bind "127.0.0.1"' in lines and 'protected-mode "yes"' in lines and f'dir "{tmp_path}"' in lines
    assert not any("0.0.0.0" in line or line.startswith("dir /opt") for line in lines)


def test_its_launcher_starts_without_the_models():
    """cosmos-rl's own takes half a minute to import them, in a process that only starts others."""
    code = (
        "import sys; from roadtrain.train.cosmos import launcher; launcher.without_models()\n"
        "from cosmos_rl.launcher import launch_all\n"
        "print('LOADED', launch_all.main.__module__, *{'torch', 'transformers', 'diffusers'} & sys.modules.keys())"
    )
    result = subprocess.run([PYTHON, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert result.stdout.splitlines()[-1:] == ["LOADED cosmos_rl.launcher.launch_all"], (
        result.stdout[-500:] + result.stderr[-2000:]
    )
