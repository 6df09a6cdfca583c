"""The numbers are the official scorers', run from their repository: ROADTRAIN_WTS_REPOSITORY=<woven-visionai/wts-dataset>."""

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from roadtrain.evaluate.caption_metrics import caption_scores
from roadtrain.evaluate.captions import (
    read_caption_submission,
    read_letters,
    read_references,
    score_challenge,
    score_questions,
)
from roadtrain.evaluate.wordnet import wordnet_folder
from support.annotations import write
from support.captions import caption, phase, reference_file, reworded

REPOSITORY = os.environ.get("ROADTRAIN_WTS_REPOSITORY")
pytestmark = pytest.mark.skipif(not REPOSITORY, reason="no ROADTRAIN_WTS_REPOSITORY: the official scorers aren't here")
SCORER = "evaluation/eval-metrics-AIC-Track2"
LEXNAMES = 45  # files of WordNet's lexicographers: NLTK wants their list, which no metric reads
# Their programs as they are; only the attempt to download is taken away.
START = "import nltk, runpy, sys; nltk.download = lambda *a, **k: False; sys.path.insert(0, '.'); "


@pytest.fixture(scope="module")
def nltk_data(tmp_path_factory):
    """WordNet as NLTK's own reader wants it: in its data folder, with Unix line ends."""
    data = tmp_path_factory.mktemp("nltk") / "corpora/wordnet"
    data.mkdir(parents=True)
    for path in wordnet_folder().iterdir():
        if path.is_file():
            (data / path.name).write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    (data / "lexnames").write_text("".join(f"{n:02d}\tname\t1\n" for n in range(LEXNAMES)))
    return data.parents[1]


def official(nltk_data: Path, folder: str, code: str, *arguments: str) -> str:
    environment = os.environ | {"NLTK_DATA": str(nltk_data)}
    command = [sys.executable, "-W", "ignore", "-c", START + code, *arguments]
    process = subprocess.run(command, cwd=Path(REPOSITORY) / folder, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-2000:]
    return process.stdout


def pairs() -> list[tuple[str, str]]:
    rng = random.Random(1)
    references = [caption(rng) for _ in range(150)]
    texts = [(reworded(rng, text), text) for text in references]
    sentences = [("The man's car didn't stop (it was wet).", "A man stopped his automobile; the street wasn't dry.")]
    # The official scorer ends with an error for a reference without words.
    edges = [
        "",
        " ",
        ".",
        "car",
        "the car",
        "the the the the the",
        "a\nb\tc",
        "«é» 100% $5 e.g. <|im_end|>",
        "car " * 300,
    ]
    return (
        texts
        + sentences
        + [(a, b) for a in edges for b in [*edges[2:], references[0]]]
        + [(r, r) for r in references[:5]]
    )


def test_every_caption_has_the_official_scores(nltk_data):
    code = (
        "import json, utils; print(json.dumps([utils.compute_metrics_single(a, b) for a, b in json.load(sys.stdin)]))"
    )
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START + code],
        cwd=Path(REPOSITORY) / SCORER,
        env=os.environ | {"NLTK_DATA": str(nltk_data)},
        input=json.dumps(pairs()),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    for (text, reference), scores in zip(pairs(), json.loads(process.stdout), strict=True):
        ours = caption_scores(text, reference)
        for name, value in scores.items():
            assert ours[name.replace("-", "_")] == pytest.approx(value, abs=1e-9), (name, text, reference)


def test_a_submission_has_the_official_score(nltk_data, tmp_path):
    """Internal and external, scenarios and phases missing, labels in another order, a label that is there twice."""
    rng, submission = random.Random(2), {}
    for scenario in ["20230707_1_SN1_T1", "20230707_2_SN1_T1", "20230707_3_SN1_T1", "video11", "video12"]:
        phases = [phase(str(n), caption(rng), caption(rng)) for n in range(5)]
        if scenario == "20230707_2_SN1_T1":
            phases.append(phase("4", caption(rng), caption(rng)))
        reference_file(tmp_path, scenario, phases)
        if not scenario.startswith("video"):
            reference_file(tmp_path, scenario, phases, view="vehicle_view")
        if scenario not in ("20230707_3_SN1_T1",):
            submission[scenario] = [
                phase(row["labels"][0], *(reworded(rng, row[f"caption_{s}"]) for s in ("pedestrian", "vehicle")))
                for row in reversed(phases[:4])
            ]
    submission["20230707_9_SN1_T1"] = submission["20230707_1_SN1_T1"]
    file = write(tmp_path / "captions.json", submission)
    program = "sys.argv[0] = 'metrics_all.py'; runpy.run_path('metrics_all.py', run_name='__main__')"
    output = official(nltk_data, SCORER, program, "--predictions_file", str(file), "--ground_truth", str(tmp_path))
    ours = score_challenge(read_caption_submission(str(file)), read_references(tmp_path))
    assert ours["captions"] == pytest.approx(float(re.search(r"Final mean score: (\S+)", output)[1]), abs=1e-9)
    assert output.count("Segment captions missing") == len(ours["sets"]["internal"]["missing_phases"]) + 2
    assert ours["sets"]["internal"]["missing_scenarios"] == ["20230707_3_SN1_T1"] and ours["unknown"] == [
        "20230707_9_SN1_T1"
    ]


def test_the_example_of_the_repository_has_full_points():
    folder = Path(REPOSITORY) / SCORER / "testdata"
    scores = {
        name: score_challenge(
            read_caption_submission(str(folder / f"pred_{name}.json")), read_references(folder / "gt")
        )
        for name in ("identical", "different")
    }
    assert scores["identical"]["captions"] == pytest.approx(100, abs=0.01)
    assert 5 < scores["different"]["captions"] < 99


def test_answers_have_the_official_accuracy(nltk_data):
    folder = "evaluation/eval-metrics-AIC-Track2_VQA"
    files = [
        str(Path(REPOSITORY) / folder / f"testdata/sample_{name}.json") for name in ("ground_truth", "user_output")
    ]
    code = (
        "import traffic_qa_evaluation_script as v, json; print(json.dumps(v.evaluate(*map(v.load_json, sys.argv[1:]))))"
    )
    expected = json.loads(official(nltk_data, folder, code, *files))
    ours = score_questions(read_letters(files[1]), read_letters(files[0]))
    assert {key: ours[key] for key in expected} == expected
