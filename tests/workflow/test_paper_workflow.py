"""`snakemake paper report` from predictions alone, on a made-up run (tests/support/fabricate.py): no weights, videos or model."""

import re
import resource
import shutil
import zipfile

import pytest
import yaml

from roadtrain.files import sha256_tree
from roadtrain.paper.contents import FIGURE_KINDS, FIGURES, PAPER_KINDS, TABLE_KINDS, TABLES, TITLES
from support.fabricate import SPEC, fabricate
from support.workflow import ROOT, copy_project, must_run, planned

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PROFILE = ("--profile", "profiles/paper")
SCENARIOS = 109  # x 2 cameras x 12 questions: 2,616, the size of WTS's validation split


@pytest.fixture(scope="module")
def finished_paper(tmp_path_factory):
    """(folder, CPU seconds of `snakemake paper`, hashes of the scores before): scores deleted, then everything made."""
    work = copy_project(tmp_path_factory.mktemp("clone"))
    (work / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    results = fabricate(work, scenarios=SCENARIOS, frames=False).parent
    scores = {}
    for name in SPEC["ablations"]:
        scores |= {f"{name}/{k}": v for k, v in sha256_tree(results / name / "accuracy").items()}
        shutil.rmtree(results / name / "accuracy")
        (results / name / "best.json").unlink()
        (results / name / "quantized/gate.json").unlink()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(must_run(work, "paper", *PROFILE, afresh=True))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"snakemake paper: {took:.1f} CPU seconds")
    must_run(work, "report", *PROFILE)
    return work, took, scores


@pytest.fixture
def work(finished_paper, tmp_path):
    return shutil.copytree(finished_paper[0], tmp_path / "w", symlinks=True)


def test_the_paper_from_predictions_alone_takes_less_than_a_minute(finished_paper):
    """On two cores, and of CPU time, so that a busy machine doesn't matter."""
    work, took, scores = finished_paper
    results = work / "results/made-up"
    assert took < 2 * 60
    files = len(TABLES) * len(TABLE_KINDS) + len(FIGURES) * len(FIGURE_KINDS) + len(PAPER_KINDS)
    assert len(list((results / "paper").iterdir())) == files and (results / "report.html").exists()
    after = {
        f"{name}/{k}": v for name in SPEC["ablations"] for k, v in sha256_tree(results / name / "accuracy").items()
    }
    assert after == scores and not (work / "weights").exists() and not (work / "data").exists()


def test_the_profile_names_every_rule_that_needs_no_model():
    allowed = yaml.safe_load((ROOT / "profiles/paper/profile.yaml").read_text())["allowed-rules"]
    rules = {r for p in ROOT.glob("rules/*.smk") for r in re.findall(r"^rule (\w+):", p.read_text(), re.MULTILINE)}
    assert set(allowed) <= rules
    assert set(re.findall(r"^rule (\w+):", (ROOT / "rules/paper.smk").read_text(), re.MULTILINE)) <= set(allowed)


def test_again_there_is_nothing_to_do_and_deleted_files_come_back_byte_for_byte(work):
    assert planned(work, "paper", "report", *PROFILE) == {}
    results = work / "results/made-up"
    before = sha256_tree(results)
    shutil.rmtree(results / "paper")
    (results / "report.html").unlink()
    must_run(work, "paper", "report", *PROFILE)
    assert sha256_tree(results) == before


@pytest.mark.parametrize(
    "changed, remade",
    [
        ("results/published.json", {"make_tables", "make_figures", "make_paper", "make_report"}),
        ("paper/figure_style.mplstyle", {"make_figures", "make_paper", "make_report"}),
    ],
)
def test_a_changed_file_remakes_what_is_drawn_from_it(work, changed, remade):
    """Code: tests/workflow/test_staleness.py."""
    with (work / "scripts/roadtrain" / changed).open("r+") as file:
        file.seek(0, 2)
        file.write("\n")
    assert planned(work, "paper", "report", *PROFILE).keys() == remade


def test_snakemakes_own_report_has_captions_and_categories(work):
    must_run(work, "paper", "report", *PROFILE, "--report", "all.zip")
    with zipfile.ZipFile(work / "all.zip") as archive:
        page = archive.read("all/report.html").decode()
        inside = {name.rsplit("/", 1)[1] for name in archive.namelist()}
    assert {"report.html", "paper.md", "t3_accuracy.csv", "f1_accuracy.png"} <= inside
    assert all(f'"{category}"' in page for category in ("Paper", "Tables", "Figures", "Report"))
    captions = {p.stem: p.read_text().strip()[:30] for p in (ROOT / "templates/captions").glob("*.rst")}
    assert captions.keys() == {*TABLES, *TITLES, "paper", "report"}
    captions = {name: text for name, text in captions.items() if name in FIGURES or name not in TITLES}
    assert [name for name, text in captions.items() if text not in page] == []
