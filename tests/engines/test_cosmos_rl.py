"""The real cosmos-rl (its packer contract, its loader, its HF wrapper, its schedule) on the committed base, on a CPU: the
same tokens as evaluation, the same loss and gradients shared and per question, the same loss as the local engine.

cosmos-rl has its own Python environment: `make test-cosmos` sets one up and runs these.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.train import batches, toml_config
from support import tiny
from support.clips import decode, render
from support.training import ROOT, VISION, run

PYTHON = Path(os.environ.get("ROADTRAIN_COSMOS_PYTHON", ROOT / ".venv-cosmos-cpu/bin/python"))
pytestmark = [
    pytest.mark.cosmos,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.exists(), reason="cosmos-rl has an environment of its own: make test-cosmos"),
]
PROMPT = "You are a helpful assistant."


def write_toml(root: Path, name: str, **train) -> Path:
    settings = {
        "engine": "cosmos-rl",
        "gpus": 1,
        "dtype": "float32",
        "epochs": 2,
        "train_batch_per_replica": 20,
        "model_max_length": 2048,
    }
    done = run(
        "scripts/render_toml.py",
        "--template",
        "templates/sft.toml.j2",
        "--ablation",
        json.dumps({"name": "a", "model": str(tiny.BASE), "vision": VISION, "train": settings | train}),
        "--run",
        "r",
        "--llava",
        root / "x.llava.json",
        "--media",
        root / "media",
        "--frames",
        root / "index.json",
        "--system-prompt",
        PROMPT,
        "--output-dir",
        root / "w",
        "--output",
        root / name,
    )
    assert done.returncode == 0, done.stderr
    return root / name


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six clips with two to seven questions: the number differs, and so do answers."""
    root, values = tmp_path_factory.mktemp("cosmos"), []
    for n in range(6):
        render(root / f"media/v{n}.mp4", frames=12 + n, seed=n)
        for k in range(2 + n):
            human = multiple_choice(f"Question {k}{' and so on' * (k % 3)}?", {"a": "clear", "b": "rainy", "c": "dark"})
            answer = "ABC"[k % 3] if k % 4 else "B: rainy"
            values.append(
                entry_json(
                    id=f"v{n}_{k}", scenario=str(n), video=f"v{n}.mp4", type="t", phase="p", human=human, answer=answer
                )
            )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    return root


@pytest.fixture(scope="module")
def found(root):
    """What tests/support/cosmos_cpu.py saw in cosmos-rl's environment. Per-question batches of the same questions: one step holds
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
    done = subprocess.run(
        [PYTHON, ROOT / "tests/support/cosmos_cpu.py", shared, apart],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert done.returncode == 0 and lines, done.stdout[-1500:] + done.stderr[-3000:]
    return json.loads(lines[0][6:]) | {"questions": len(kept)}


def test_the_wrapper_attends_by_sdpa_and_takes_every_weight(found):
    assert found["attention"] == ["sdpa", "sdpa"] and found["missing"] == []
    assert found["trainer"] == ["Trainer", "SFTTrainer"]


def test_exports_have_the_bases_names(found):
    assert set(found["exported_names_differ"]) <= {"lm_head.weight"}


def test_shared_and_per_question_are_one_loss_and_one_gradient(found):
    shared, apart = found["shared"], found["apart"]
    assert shared["loss"] == pytest.approx(apart["loss"], rel=1e-5)
    assert found["worst_gradient"] < 1e-3  # float32
    assert (
        found["parameters"][0] >= found["parameters"][1] - 1 and found["vision_gradient"] > 1e-3
    )  # the text sees the video
    assert apart["passes"] == found["questions"] > shared["passes"] >= 3 and shared["tokens"] < apart["tokens"]


def test_ranks_average_to_the_same_step(found):
    """Two ranks with half the batch each: as many passes on both, and the mean of their losses and gradients is the
    step's."""
    two = found["two_ranks"]
    assert two["passes"][0] == two["passes"][1]
    assert two["loss"] == pytest.approx(found["shared"]["loss"], rel=1e-5) and two["worst_gradient"] < 1e-3


def test_prompt_and_pixels_are_those_of_evaluation(root, found):
    """transformers 4.57 in cosmos-rl's environment, 5 here."""
    from roadtrain.frames.index import FrameIndex
    from roadtrain.model.loading import load_processor
    from roadtrain.model.prompts import Prompter

    entry = next(iter(read_questions(root / "x.llava.json")))
    prompter = Prompter(load_processor(tiny.BASE), PROMPT)
    prefix = prompter.prefix(FrameIndex.load(root / "index.json").read(entry.clip))
    assert found["ids"]["prefix"] == prefix.input_ids.tolist()
    segment = prompter.segment(entry)
    assert (found["ids"]["segment"], found["ids"]["answer"]) == (segment.prompt_ids, segment.answer_ids)
    pixels = prefix.pixels.double()
    assert found["ids"]["pixels"] == pytest.approx([float(pixels.sum()), float(pixels.square().sum())], rel=1e-9)
    assert found["positions"] == 0


def test_the_local_engine_has_the_same_loss(root, found):
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
    step = batches.steps(
        list(read_questions(config.llava)),
        epoch=1,
        seed=config.seed,
        batch_questions=config.batch_questions,
        questions_per_video=None,
    )[0]
    total = 0.0
    with torch.no_grad():
        for group in step:
            clip = (prompter.prefix(index.read(group.clip)), [prompter.segment(e) for e in group.entries])
            sequence = build([clip], model.config.video_token_id)
            total += answer_loss(answer_logits(model, sequence), sequence.targets, sequence.target_questions).item()
    assert found["shared"]["loss"] == pytest.approx(total / found["questions"], rel=1e-4)


def test_learning_rates_are_the_same(found):
    assert found["rates"] < 1e-12


def test_another_release_is_refused(tmp_path):
    """The replacements know one release of cosmos-rl: any other is one line, not a wrong training run."""
    code = (
        "from roadtrain import cosmos_hooks, cosmos_schema, cli\n"
        "cosmos_schema.VERSION = '0.4.6'\n"
        "cli.main(cosmos_hooks.check_versions)()"
    )
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert (
        done.returncode == 1 and "cosmos-rl is 0.4.7: " in done.stderr and "pip install cosmos-rl==0.4.6" in done.stderr
    )


def test_redis_and_the_controller_listen_on_this_machine_only(tmp_path):
    """The configuration that cosmos-rl writes, through our replacement; the socket that its launcher binds."""
    code = (
        "import sys; from roadtrain import cosmos_hooks, cosmos_main, torchvision_cpu; torchvision_cpu.ensure()\n"
        "cosmos_hooks.listen_locally(sys.argv[1])\n"
        "import cosmos_rl.utils.network_util as n\n"
        "print(n.write_redis_config(12800, '/tmp/redis.log', file_path=sys.argv[1] + '/redis.conf', custom_config='maxmemory 500G'))\n"
        "print('ADDRESS', cosmos_main.bind_locally(18000).getsockname()[0])"
    )
    done = subprocess.run([PYTHON, "-c", code, tmp_path], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert done.returncode == 0 and "ADDRESS 127.0.0.1" in done.stdout, done.stderr[-2000:]
    lines = (tmp_path / "redis.conf").read_text().splitlines()
    assert 'bind "127.0.0.1"' in lines and 'protected-mode "yes"' in lines and f'dir "{tmp_path}"' in lines
    assert not any("0.0.0.0" in line or line.startswith("dir /opt") for line in lines)


def test_its_launcher_starts_without_the_models():
    """cosmos-rl's own takes half a minute to import them, in a process that only starts others."""
    code = (
        "import sys; from roadtrain import cosmos_main; cosmos_main.without_models()\n"
        "from cosmos_rl.launcher import launch_all\n"
        "print('LOADED', launch_all.main.__module__, *{'torch', 'transformers', 'diffusers'} & sys.modules.keys())"
    )
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["LOADED cosmos_rl.launcher.launch_all"], (
        done.stdout[-500:] + done.stderr[-2000:]
    )
