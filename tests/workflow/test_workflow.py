"""The chain end to end on a small sample: every file of the contract, nothing to do on a second run, bad input."""

import csv
import json
import re
import resource
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from support.programs import python, run_python
from support.workflow import ROOT, must_run, planned, read, snakemake, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ABLATIONS = ("nframes8", "fps2")
CHECKPOINTS = ("zero_shot", "epoch_1", "epoch_2", "fp8")


@pytest.fixture
def results(finished):
    return finished / "results/small"


def test_data_files(results):
    for split in ("train", "val"):
        entries = read(results / f"data/{split}.llava.json")
        keys = ["id", "wts_id", "video", "type", "phase", "conversations", "question", "options", "group"]
        assert entries and all(list(entry) == keys for entry in entries)
    assert read(results / "data/audit.json")


def test_frame_indexes(results, finished):
    indexes = sorted((results / "frames").glob("*/*.json"))
    assert len(indexes) == 4
    for index in indexes:
        for clip in read(index)["clips"]:
            assert (finished / clip["file"]).is_file()


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_training_files(results, finished, ablation):
    here = results / ablation
    tomllib.loads((here / "sft.toml").read_text())
    assert read(here / "preflight.json")
    steps = [json.loads(line) for line in (here / "train_log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    for n in (1, 2):
        manifest = read(here / f"checkpoints/epoch_{n}.json")
        assert manifest["checkpoint"] == f"epoch_{n}"
        weights = finished / manifest["path"]
        assert manifest["path"] == f"weights/small/{ablation}/epoch_{n}"
        names = {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"}
        assert names <= {p.name for p in weights.iterdir()}
    assert steps[-1]["step"] == manifest["step"]


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_the_training_log_is_copied_as_the_spec_says(results, finished, ablation):
    if not read(results / "spec.json")["spec"]["logs"]["to"]:
        pytest.skip("tensorboard is not installed")
    summary = read(results / ablation / "logs.json")
    assert summary["steps"] == len((results / ablation / "train_log.jsonl").read_text().splitlines())
    assert len(list((finished / summary["tensorboard"]).glob("events.out.tfevents.*"))) == 1


@pytest.mark.parametrize("ablation", ABLATIONS)
@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_predictions_and_accuracy(results, ablation, checkpoint):
    lines = [
        json.loads(line) for line in (results / ablation / f"predictions/{checkpoint}.jsonl").read_text().splitlines()
    ]
    keys = "id video scenario question options prompt response answer correct is_correct".split()
    assert all(list(line) == [*keys, "probabilities", "group", "phase"] for line in lines)
    assert all(
        abs(sum(line["probabilities"].values()) - 1) < 1e-4 and line["probabilities"].keys() == line["options"].keys()
        for line in lines
    )
    assert sorted(line["id"] for line in lines) == sorted(e["id"] for e in read(results / "data/val.llava.json"))
    accuracy = read(results / ablation / f"accuracy/{checkpoint}.json")
    assert accuracy["total_questions"] == len(lines)
    assert accuracy["total_correct"] == sum(line["is_correct"] for line in lines)
    assert accuracy["accuracy"] == accuracy["total_correct"] / accuracy["total_questions"]
    low, high = accuracy["ci95"]
    assert 0 <= low <= accuracy["accuracy"] <= high <= 1
    assert accuracy["calibration"]["questions"] + accuracy["calibration"]["left_out"] == len(lines)
    assert {"accuracy_first_capital", "unanswered", "by_question"} <= accuracy.keys()
    assert {"model", "checkpoint", "checkpoint_sha256", "vision", "spec_hash", "software"} <= accuracy[
        "computed_from"
    ].keys()


@pytest.mark.parametrize("ablation", ABLATIONS)
def test_quantized_and_deploy_files(results, finished, ablation):
    here = results / ablation
    quantized = read(here / "quantized/fp8.json")
    assert (finished / quantized["path"] / "config.json").is_file()
    assert read(here / "quantized/gate.json")
    for name in ("docker.sh", "compose.yaml", "nimservice.yaml", "deployment.yaml", "vss.env", "manifest.json"):
        assert (here / "deploy" / name).stat().st_size
    for name in ("compose.yaml", "nimservice.yaml", "deployment.yaml"):
        assert list(yaml.safe_load_all((here / "deploy" / name).read_text()))
    assert subprocess.run(["bash", "-n", here / "deploy/docker.sh"]).returncode == 0


def test_paper_and_report(results):
    for table in ("t1_data", "t2_tokens", "t3_accuracy"):
        rows = list(csv.reader((results / f"paper/{table}.csv").open()))
        assert len(rows) > 1
        assert (results / f"paper/{table}.md").stat().st_size and (results / f"paper/{table}.tex").stat().st_size
    assert (results / "paper/f1_accuracy.pdf").read_bytes().startswith(b"%PDF")
    assert (results / "paper/f1_accuracy.png").read_bytes().startswith(b"\x89PNG")
    page = (results / "report.html").read_text()
    assert "</html>" in page and "http" not in page.split("<body", 1)[0].replace("http-equiv", "")


def test_every_job_has_a_log_and_a_benchmark(finished):
    logs = {p.relative_to(finished / "logs/small").with_suffix("") for p in (finished / "logs/small").rglob("*.log")}
    times = {
        p.relative_to(finished / "benchmarks/small").with_suffix("")
        for p in (finished / "benchmarks/small").rglob("*.tsv")
    }
    assert logs == times and len(logs) > 20


def test_a_second_run_has_nothing_to_do(work):
    """Of CPU time, so that a busy machine doesn't matter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert planned(work, afresh=True) == {}
    assert "Nothing to be done" in must_run(work, afresh=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 30


def test_a_deleted_output_is_remade_and_nothing_before_it(work):
    (work / "results/small/nframes8/accuracy/epoch_1.json").unlink()
    jobs = planned(work)
    assert "train_2_epochs" not in jobs and "decode_frames" not in jobs and "convert_annotations" not in jobs
    # What follows from it is planned too (Snakemake has no early cutoff inside one run), epochs are not asked again.
    assert jobs["score"] == 3 and jobs["evaluate_checkpoint"] == 2  # fp8, and the best epoch without media


def computed(results):
    """{file: bytes} without what was measured: the jobs' times, and the part of the report that shows them."""
    files = {p.relative_to(results): p.read_bytes() for p in results.rglob("*") if p.is_file()}
    files = {path: data for path, data in files.items() if not path.name.endswith(".times.json")}
    page = Path("report.html")
    files[page], parts = re.subn(rb'<div id="measured">.*?</details>\s*</div>', b"", files[page], flags=re.DOTALL)
    assert parts == 1
    return files


def test_deterministic_files_are_byte_identical(work):
    """Everything from the TOML on made again; weights come from the finished epochs."""
    results = work / "results/small"
    before = computed(results)
    shutil.rmtree(results)
    must_run(work, afresh=True)  # with another hash seed, and nothing imported
    after = computed(results)
    assert before.keys() == after.keys()
    different = [str(p) for p in before if before[p] != after[p]]
    # `seconds` in a quantized checkpoint's manifest is measured, not computed; what quotes it differs with it.
    assert different == []


def test_shards_give_the_bytes_of_one_job(work):
    """Two jobs share the videos of an evaluation; what they merge to is what one job wrote."""
    files = [f"results/small/nframes8/predictions/zero_shot.{kind}" for kind in ("jsonl", "source.json")]
    before = [(work / path).read_bytes() for path in files]
    for path in files:
        (work / path).unlink()
    write_spec(work, {"evaluate": {"shards": 2}})
    must_run(work, *files)
    shards = [path.name for path in (work / "results/small/nframes8/predictions/shards").glob("zero_shot.*")]
    assert len([name for name in shards if not name.endswith(".times.json")]) == 4, shards
    assert before == [(work / path).read_bytes() for path in files]


def test_open_questions_are_asked_and_shown(work):
    write_spec(work, {"open_questions": {"questions": ["What is 'seen' here?"], "videos": 2, "max_new_tokens": 4}})
    must_run(work, "report")
    answers = read(work / "results/small/fps2/open_questions.json")
    assert (
        len(answers["items"]) == 2
        and list(answers["items"][0]["answers"])[0] == "zero_shot"
        and len(answers["items"][0]["answers"]) == 3
    )
    page = (work / "results/small/report.html").read_text()
    assert "What is &#39;seen&#39; here?" in page and answers["items"][0]["picture"] in page


def test_one_value_of_one_ablation_touches_that_ablation(work):
    write_spec(work, {"ablations": {"fps2": {"train": {"learning_rate": 3e-4}}}})
    jobs = planned(work)
    assert jobs["render_toml"] == 1 and jobs["train_2_epochs"] == 1
    assert "decode_frames" not in jobs and "convert_annotations" not in jobs and "make_sample" not in jobs


@pytest.mark.parametrize("mode, option", [("offline", " --offline"), ("online", "")])
def test_sending_the_log_elsewhere_trains_nothing_again(work, mode, option):
    write_spec(work, {"logs": {"to": ["wandb"], "wandb_mode": mode, "wandb_project": "my roads"}})
    out = must_run(work, "--dry-run", "--printshellcmds", "results/small/fps2/logs.json")
    assert f"'--wandb=my roads' --wandb-dir logs/small/wandb/fps2{option} --summary" in out
    assert not planned(work).keys() & {"render_toml", "train_2_epochs", "evaluate_checkpoint"}


def test_the_best_epoch_survives_a_failed_job(work):
    """A later job that fails leaves finished epochs and their manifests alone."""
    (work / "results/small/nframes8/predictions/fp8.jsonl").unlink()
    weights = next((work / "weights/small/nframes8/fp8").glob("*.safetensors"))
    weights.write_bytes(b"broken")
    process = snakemake(work)
    assert process.returncode == 1
    for n in (1, 2):
        assert (work / f"results/small/nframes8/checkpoints/epoch_{n}.json").is_file()


# ---------------------------------------------------------------------------------------------- bad input
def fails(work: Path, says: str, *args: str, **kwargs) -> None:
    """One clear line, exit code 1."""
    process = snakemake(work, *args, **kwargs)
    assert process.returncode == 1
    assert any(says in line for line in process.stdout.splitlines()), process.stdout[-3000:]


def test_unknown_spec_key(work):
    write_spec(work, {"train": {"epoch": 3}})
    fails(work, "spec.yaml: train.epoch: unknown key; did you mean epochs?")


def test_impossible_vision_setting(work):
    write_spec(work, {"ablations": {"nframes8": {"vision": {"fps": 1}}}})
    fails(work, "ablations.nframes8.vision: give either nframes or fps, not both")


def test_no_wts_on_disk(work):
    fails(work, "specs/sample.yaml", spec=None)
    assert planned(work, spec=None)["train_3_epochs"] == 2


def annotation(work: Path) -> Path:
    return sorted((work / "data/sample/annotations/vqa/val").rglob("environment/*.json"))[0]


def test_broken_annotation_json(work):
    path = annotation(work)
    path.write_text(path.read_text()[:-5])
    fails(work, str(path.relative_to(work)))
    assert (work / "weights/small/nframes8/epoch_2/model.safetensors").is_file()


def test_annotation_without_a_key(work):
    path = annotation(work)
    value = json.loads(path.read_text())
    del value[0]["environment"][0]["question"]
    path.write_text(json.dumps(value))
    fails(work, "question")


def test_empty_split(work):
    for path in (work / "data/sample/annotations/vqa/val").rglob("environment/*.json"):
        path.write_text("[]")
    fails(work, "val")


def test_truncated_video_is_left_out_or_fails(work):
    video = work / "data/sample/videos/val" / read(work / "results/small/data/val.llava.json")[0]["video"]
    video.write_bytes(video.read_bytes()[:200])
    write_spec(work, {"data": {"on_bad_video": "fail"}})
    fails(work, video.name)
    write_spec(work, {"data": {"on_bad_video": "skip", "max_bad_fraction": 0.5}})
    must_run(work, "--until", "convert_annotations")
    assert video.name in (work / "results/small/data/audit.json").read_text()
    assert video.name not in (work / "results/small/data/val.llava.json").read_text()


# ---------------------------------------------------------------------------------------------- style
def test_lint_and_format():
    for spec in ([], ["--configfile", "specs/sample.yaml"]):
        process = subprocess.run(
            [python(), "-m", "snakemake", "--lint", *spec], cwd=ROOT, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stdout + process.stderr
    for name, *arguments in (["snakefmt", "--check", "Snakefile", "rules"], ["ruff", "check", "--no-cache", "."]):
        process = subprocess.run(
            [Path(sys.executable).parent / name, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stdout + process.stderr


def test_every_program_has_help(tmp_path):
    for program in sorted((ROOT / "scripts").glob("*.py")):
        process = run_python(program, "--help", cwd=tmp_path)
        assert process.returncode == 0 and "usage:" in process.stdout, (program.name, process.stderr)
