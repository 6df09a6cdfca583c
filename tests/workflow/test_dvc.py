"""A clone that pulled has nothing to do; a change makes its own jobs only; DVC's cache is never written into."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from support.dvc import blocks_of, sh, type_block
from support.workflow import SMALL, must_run, planned, read, snakemake, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
HERE, ELSEWHERE = (block.replace("specs/sample.yaml", "spec.yaml") for block in blocks_of("The sample"))
RESULTS = "results/small"
EPOCHS = SMALL["train"]["epochs"]
TRAIN = f"train_{EPOCHS}_epochs"
EVALUATIONS = 2 * (EPOCHS + 3)  # of two ablations: zero-shot, the epochs, fp8, the best epoch without media


def clone_of(origin: Path, to: Path, link: str) -> Path:
    sh(origin, "git", "clone", "--quiet", str(origin), str(to))
    sh(to, "dvc", "config", "--local", "cache.type", link)
    sh(to, "dvc", "remote", "modify", "--local", "store", "url", str(origin.parent / "store"))  # the page's ../store
    return to


def damaged(work: Path) -> list[str]:
    """Objects of DVC's cache whose name is not the hash of what they hold."""
    cache = work / ".dvc/cache/files/md5"
    objects = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".dir"]
    assert objects
    names = {path: path.parent.name + path.name for path in objects}
    return [name for path, name in names.items() if hashlib.md5(path.read_bytes()).hexdigest() != name]


@pytest.fixture(scope="module")
def origin(finished, tmp_path_factory):
    """The finished run, versioned and pushed to a remote that is a folder, as docs/dvc.md says."""
    root = tmp_path_factory.mktemp("dvc")
    work = shutil.copytree(finished, root / "origin", symlinks=True)
    stage = (work / "dvc.yaml").read_text()
    assert "spec: specs/sample.yaml\n    run: sample" in stage
    (work / "dvc.yaml").write_text(
        stage.replace("spec: specs/sample.yaml\n    run: sample", "spec: spec.yaml\n    run: small")
    )
    sh(work, "git", "init", "--quiet", "--initial-branch", "main")
    sh(work, "git", "add", "--all")
    sh(work, "git", "commit", "--quiet", "--message", "project")
    output = type_block(work, HERE)
    assert "Nothing to be done" in output  # DVC runs Snakemake, and Snakemake sees that all is there
    assert "in sync" in output and sh(work, "git", "status", "--short") == ""
    return work


def test_the_page_of_the_sample_as_it_is_typed(origin):
    assert "Nothing to be done" in type_block(origin, ELSEWHERE)


@pytest.fixture(scope="module")
def pulled(origin, tmp_path_factory):
    return pull(origin, tmp_path_factory.mktemp("pulled") / "copy", "copy")


@pytest.fixture
def clone(pulled, tmp_path):
    """A clone of its own to change; links into the cache are copied as links."""
    return shutil.copytree(pulled, tmp_path / "clone", symlinks=True)


def pull(origin: Path, to: Path, link: str, *what: str) -> Path:
    sh(clone_of(origin, to, link), "dvc", "pull", *what)
    return to


# -------------------------------------------------------------------------------------- clone + pull, every link type
@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_clone_and_pull_has_nothing_to_do(origin, tmp_path, link):
    work = pull(origin, tmp_path / "clone", link)
    path = work / RESULTS / "nframes8/accuracy/epoch_1.json"
    assert (path.is_symlink(), path.stat().st_nlink > 1) == (link == "symlink", link == "hardlink")
    assert planned(work) == {}
    assert "up to date" in sh(work, "dvc", "status")
    # A run rewrites outputs and provenance. Neither may reach the cache through a link, nor fail on read-only files.
    (work / RESULTS / "metrics/metrics.json").unlink()
    must_run(work)
    (work / RESULTS / "nframes8/train_log.jsonl").unlink()
    out = must_run(work, "train")
    assert "Training nframes8" in out and "Training fps2" not in out
    assert damaged(work) == []
    sh(work, "dvc", "checkout", "--force")
    assert planned(work) == {}


def test_results_alone_make_paper_and_report(origin, tmp_path):
    """Without weights, videos and frames; what needs them says so in one line."""
    work = pull(origin, tmp_path / "clone", "copy", "results", ".snakemake/metadata")
    assert not (work / "weights").exists() and not (work / "data").exists() and not (work / "cache").exists()
    assert planned(work) == {}
    report = work / RESULTS / "report.html"
    report.unlink()
    (work / RESULTS / "paper/f1_accuracy.png").unlink()
    must_run(work, "paper", "report")
    assert "</html>" in report.read_text() and (work / RESULTS / "paper/f1_accuracy.png").exists()
    predictions = f"{RESULTS}/nframes8/predictions/epoch_1.jsonl"
    (work / predictions).unlink()
    process = snakemake(work, predictions)
    assert process.returncode == 1
    says = "weights/small/nframes8/epoch_1: the checkpoint is missing: fetch it (dvc pull)"
    assert any(says in line for line in process.stdout.splitlines()), process.stdout[-3000:]


# ------------------------------------------------------------------------------------------------ what a change makes
def test_one_value_of_one_ablation(clone):
    write_spec(clone, {"ablations": {"fps2": {"train": {"learning_rate": 3e-4}}}})
    jobs = planned(clone)
    assert (jobs["render_toml"], jobs[TRAIN], jobs["quantize_checkpoint"], jobs["gate"]) == (1, 1, 1, 1)
    assert jobs["evaluate_checkpoint"] == EPOCHS + 2  # the epochs, fp8 and without media; the base model's answers stay
    assert not {"make_sample", "convert_annotations", "decode_frames", "describe_base"} & jobs.keys()
    assert "ablation=nframes8" not in must_run(clone, "--dry-run")


def test_an_output_deleted(clone):
    (clone / RESULTS / "metrics/accuracy/fps2.csv").unlink()
    assert planned(clone) == {"make_metrics": 1}


def test_a_comment_in_a_template(clone):
    """The TOML comes out the same, and nothing follows from it."""
    with open(clone / "templates/sft.toml.j2", "a") as template:
        template.write("{# a comment #}")
    assert planned(clone, "--until", "render_toml") == {"render_toml": 2}
    before = (clone / RESULTS / "fps2/sft.toml").read_bytes()
    must_run(clone, "--until", "render_toml")
    assert (clone / RESULTS / "fps2/sft.toml").read_bytes() == before
    assert planned(clone) == {}


def test_a_raw_annotation(clone):
    """An answer of the validation split: its conversations and their evaluation, no training."""
    path = sorted((clone / "data/sample/annotations/vqa/val").rglob("environment/*.json"))[0]
    value = json.loads(path.read_text())
    question = value[0]["environment"][0]
    question["correct"] = next(
        letter for letter in "abcd" if letter in question and letter != question["correct"].lower()
    )
    path.write_text(json.dumps(value))
    must_run(clone, "data")
    jobs = planned(clone)
    assert jobs["evaluate_checkpoint"] == EVALUATIONS
    # What is chosen by the new accuracy is chosen again, so quantization stands in the plan; training does not.
    assert not {"make_sample", "convert_annotations", "decode_frames", "preflight", TRAIN} & jobs.keys()


def test_a_video_replaced(clone):
    """Its frames, nobody else's; the split's evaluation follows, no training."""

    def frames() -> dict[tuple[str, str], str]:
        """{(index, video): its file in the cache}, whose name is a hash of the video."""
        indexes = sorted((clone / RESULTS / "frames").rglob("*.json"))
        return {(str(index), clip["video"]): clip["file"] for index in indexes for clip in read(index)["clips"]}

    before = frames()
    videos = {split: read(clone / RESULTS / f"data/{split}.llava.json")[0]["video"] for split in ("train", "val")}
    folder = clone / "data/sample/videos"
    shutil.copy(folder / "train" / videos["train"], folder / "val" / videos["val"])
    must_run(clone, "data")
    after = frames()
    changed = [video for index, video in before if before[index, video] != after[index, video]]
    assert changed == [videos["val"]] * 2  # in both vision settings
    jobs = planned(clone)
    assert jobs["evaluate_checkpoint"] == EVALUATIONS
    assert not {"make_sample", "convert_annotations", "decode_frames", "preflight", TRAIN} & jobs.keys()


# -------------------------------------------------------------------------------------------------- DVC's own commands
def test_experiment_metrics_plots_params(clone):
    """`dvc exp run -S` of one value makes that ablation's jobs; DVC's reports show what it did; and back again."""
    assert "nframes8" in sh(clone, "dvc", "metrics", "show") and "No changes" not in sh(clone, "dvc", "metrics", "show")
    output = sh(clone, "dvc", "exp", "run", "--set-param", "spec.yaml:+ablations.fps2.train.learning_rate=5e-3")
    assert "Training fps2" in output and "Training nframes8" not in output
    assert "ablations.fps2.train.learning_rate" in sh(clone, "dvc", "params", "diff")
    changed = json.loads(sh(clone, "dvc", "metrics", "diff", "--json"))
    assert changed and all(key.startswith("fps2.") for key in changed[f"{RESULTS}/metrics/metrics.json"])
    for command in (["show"], ["diff", "HEAD"]):
        sh(clone, "dvc", "plots", *command, "--out", "plots")
        page = (clone / "plots/index.html").read_text()
        assert "metrics/accuracy" in page and "metrics/loss" in page
    assert planned(clone) == {}
    sh(clone, "git", "checkout", "--quiet", ".")
    sh(clone, "dvc", "checkout", "--force")
    assert planned(clone) == {}
    assert damaged(clone) == []
