"""The challenge's caption score, against what can be said without its scorer (test_official_captions.py has that)."""

import json
import random
import subprocess
import sys

import pytest

from roadtrain.cli import UserError
from roadtrain.data.sources.base import Malformed
from roadtrain.evaluate.caption_metrics import caption_points, caption_scores, cider, wordless_warning
from roadtrain.evaluate.captions import (
    absent_sets,
    leaves_out,
    read_caption_submission,
    read_letters,
    read_references,
    s2,
    score_challenge,
    score_questions,
    score_set,
)
from support.annotations import write
from support.captions import caption, phase, reference_file
from support.workflow import ROOT

TEXT = "The pedestrian stands still on the left side behind the vehicle."
WORDS = 12  # of it, with the full stop


def phases(rng: random.Random, labels="01234") -> list[dict]:
    return [phase(label, caption(rng), caption(rng)) for label in labels]


def test_an_identical_caption_has_all_there_is():
    assert caption_scores(TEXT, TEXT) == pytest.approx(
        {"bleu": 1, "meteor": 1 - 0.5 / WORDS**3, "rouge_l": 1, "cider": 10}, abs=1e-12
    )
    assert caption_points({"bleu": 1, "meteor": 1, "rouge_l": 1, "cider": 10}) == 100


def test_captions_without_a_common_word_have_nothing():
    scores = caption_scores("Snow falls.", "The car brakes")
    assert scores["rouge_l"] == scores["cider"] == scores["meteor"] == 0 and scores["bleu"] < 0.2


def test_meteor_knows_synonyms():
    """Of words that are their own stems: NLTK looks the stems up."""
    assert caption_scores("an auto", "a car")["meteor"] > 0 == caption_scores("an apple", "a car")["meteor"]


def test_cider_is_the_cosine_of_counts_by_hand():
    """Unigrams {a: 1, b: 1} and {a: 1, c: 1}: cosine 1/2; no bigram is common; as many words: no penalty."""
    assert cider(["a", "b"], ["a", "c"]) == pytest.approx(10 * (1 / 2) / 4)
    assert cider(["a", "b"], ["a", "b"]) == pytest.approx(10 * 2 / 4)  # no n-grams of 3 and 4 words
    assert cider([], ["a"]) == 0


def test_a_language_that_the_metrics_do_not_know_is_named():
    text = "行人走在路上。"
    assert caption_points(caption_scores(text, text)) < 30  # of 100, to the very same text
    assert wordless_warning([text, "A man.", "🚗"]).startswith("2 of 3 reference texts have no word of Latin letters")
    assert wordless_warning(["A man.", "Zürich"]) is None and wordless_warning([]) is None


def test_what_is_missing_counts_nothing_and_is_named():
    rng = random.Random(0)
    references = {"s1": [("0", {"pedestrian": TEXT, "vehicle": TEXT}), ("1", {"pedestrian": TEXT, "vehicle": TEXT})]}
    references["s2"] = [(label, {"pedestrian": caption(rng), "vehicle": caption(rng)}) for label in "01"]
    result = score_set({"s1": references["s1"][1:]}, references)
    full = score_set(references, references)
    assert result["phases"] == 4 and result["missing_scenarios"] == ["s2"] and result["missing_phases"] == ["s1 0"]
    assert result["pedestrian"]["cider"] == pytest.approx(10 / 4)
    assert result["by_scenario"] == {"s1": pytest.approx(full["by_scenario"]["s1"] / 2), "s2": 0}
    assert full["missing_scenarios"] == full["missing_phases"] == full["unknown_phases"] == []


def test_a_phase_that_nobody_asked_for_is_named():
    """A label with a space in it is another one: what was written under it is not scored."""
    texts = {"pedestrian": TEXT, "vehicle": TEXT}
    result = score_set({"s1": [(" 0", texts), ("9", texts)]}, {"s1": [("0", texts)]})
    assert result["unknown_phases"] == ["s1  0", "s1 9"] and result["score"] == 0
    assert list(leaves_out(result)) == [
        "phase s1 0 is missing: it counts 0",
        "phase s1  0 has no reference and is not scored",
        "phase s1 9 has no reference and is not scored",
    ]


def test_the_final_score_is_the_mean_of_both_sets_whatever_their_sizes():
    same, other = {"pedestrian": TEXT, "vehicle": TEXT}, {"pedestrian": "Nothing", "vehicle": "Nothing"}
    references = {"internal": {f"s{n}": [("0", same)] for n in range(3)}, "external": {"video1": [("0", same)]}}
    submission = {f"s{n}": [("0", same)] for n in range(3)} | {"video1": [("0", other)], "video2": [("0", other)]}
    result = score_challenge(submission, references)
    parts = {name: part["score"] for name, part in result["sets"].items()}
    assert parts["internal"] > 99 and parts["external"] < 5 and result["unknown"] == ["video2"]
    assert result["captions"] == pytest.approx((parts["internal"] + parts["external"]) / 2)


def test_missing_answers_are_wrong_and_s2_is_the_mean():
    result = score_questions({"q1": "a", "q2": "b", "other": "a"}, {"q1": "a", "q2": "a", "q3": "c", "q4": "d"})
    assert result == {"questions": 4, "correct": 1, "wrong": 1, "missing": 2, "unknown": ["other"], "accuracy": 0.25}
    assert s2(30.0, 0.25) == 27.5
    with pytest.raises(ValueError, match="no reference answers"):
        score_questions({}, {})


# ---------------------------------------------------------------------------------------------------- files
def test_references_are_found_by_set_and_split(tmp_path):
    rng = random.Random(1)
    for split in ("train", "val"):
        for scenario in (f"20230707_1_SN1_T{len(split)}", f"video{len(split)}"):
            reference_file(tmp_path, scenario, phases(rng), split)
    reference_file(tmp_path, "20230707_1_SN1_T3", phases(rng, "9"), "val", view="vehicle_view")
    sets = read_references(tmp_path, "val")
    assert {name: list(captions) for name, captions in sets.items()} == {
        "internal": ["20230707_1_SN1_T3"],
        "external": ["video3"],
    }
    assert [label for label, _ in sets["internal"]["20230707_1_SN1_T3"]] == list("01234")  # the overhead view's
    assert len(read_references(tmp_path)["internal"]) == 2
    only = read_references(tmp_path / "annotations/caption/train")
    assert list(only) == ["internal"] and list(only["internal"]) == ["20230707_1_SN1_T5"]


def test_a_set_without_captions_of_the_split_is_named(tmp_path):
    rows = phases(random.Random(4))
    reference_file(tmp_path, "20230707_1_SN1_T1", rows, "val")
    reference_file(tmp_path, "video1", rows, "train")
    sets = read_references(tmp_path, "val")
    (line,) = absent_sets(tmp_path, sets)
    assert list(sets) == ["internal"] and absent_sets(tmp_path, read_references(tmp_path)) == []
    assert line.startswith("external: no captions below ") and line.endswith("the score is of the other set alone")


def test_a_scenario_with_two_files_is_refused(tmp_path):
    for split in ("train", "val"):
        reference_file(tmp_path, "20230707_1_SN1_T1", phases(random.Random(2)), split)
    with pytest.raises(UserError, match=r"val/.*train/.*has captions of 20230707_1_SN1_T1 too; say which split"):
        read_references(tmp_path)
    with pytest.raises(UserError, match="no reference captions of the split test"):
        read_references(tmp_path, "test")


@pytest.mark.parametrize(
    "value, problem",
    [
        ([], "expected an object {scenario: its phases}, found an empty list"),
        ({"s1": {}}, "s1: expected a list of phases, found an object"),
        ({"s1": [phase("0", "a", "b"), phase("0", "a", "c")]}, "s1: the phase '0' is there twice; write it once"),
        ({"s1": [{"labels": ["0"], "caption_pedestrian": "a"}]}, r"s1\[0\]: key 'caption_vehicle' is missing"),
        ({"s1": [phase("0", "a", None)]}, r"s1\[0\].caption_vehicle: expected a caption, found null"),
        ({"s1": [phase("0", "a", "b") | {"labels": [0]}]}, r's1\[0\].labels: expected a list of one label, as \["0"\]'),
        ({"s1": [phase("0", "a", "b") | {"labels": []}]}, "expected a list of one label"),
        ({"s1": [phase("0", "a", "b") | {"labels": ["0", "1"]}]}, r"expected a list of one label.*found \['0', '1'\]"),
        ('{"s1": [], "s1": []}', "s1: the key is there twice"),
    ],
)
def test_a_submission_that_says_two_things_or_none_is_refused(tmp_path, value, problem):
    with pytest.raises(Malformed, match=f"captions.json: .*{problem}"):
        read_caption_submission(str(write(tmp_path / "captions.json", value)))


@pytest.mark.parametrize(
    "value, problem",
    [
        ({}, "expected a list of objects with id and correct"),
        ([{"id": "q1", "correct": "a"}, {"id": "q1", "correct": "b"}], r"\[1\]: the question 'q1' is there twice"),
        ([{"id": "q1"}], "key 'correct' is missing"),
        ([{"id": "q1", "correct": None}], "expected an option's letter, found null"),
        *(
            ([{"id": "q1", "correct": text}], r"\[0\].correct: expected an option's letter, as \"a\", found ")
            for text in (" a", "a.", "", "ab", "А", "1")  # the last but one is Cyrillic
        ),
    ],
)
def test_answers_are_read_strictly(tmp_path, value, problem):
    with pytest.raises(Malformed, match=problem):
        read_letters(str(write(tmp_path / "answers.json", value)))


def test_references_without_a_phase_are_no_references(tmp_path):
    """They would be a division by nothing, or phases that count 0."""
    reference_file(tmp_path, "20230707_1_SN1_T1", [])
    with pytest.raises(UserError, match="not one phase in 1 files of references"):
        read_references(tmp_path)
    reference_file(tmp_path, "20230707_1_SN1_T2", phases(random.Random(2)))
    sets = read_references(tmp_path)
    assert list(sets["internal"]) == ["20230707_1_SN1_T2"]
    assert score_challenge({"20230707_1_SN1_T1": []}, sets)["unknown"] == ["20230707_1_SN1_T1"]


# -------------------------------------------------------------------------------------------------- program
def program(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/score_captions.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_the_program_writes_all_parts(tmp_path):
    rng = random.Random(3)
    rows = phases(rng)
    reference_file(tmp_path, "20230707_1_SN1_T1", rows)
    reference_file(tmp_path, "video1", rows)
    captions = write(tmp_path / "captions.json", {"20230707_1_SN1_T1": rows, "video1": rows[1:], "video2": rows})
    answers = write(tmp_path / "answers.json", [{"id": "q1", "correct": "A"}, {"id": "q9", "correct": "a"}])
    right = write(tmp_path / "right.json", [{"id": "q1", "correct": "a"}, {"id": "q2", "correct": "b"}])
    files = ["--submission", captions, "--references", tmp_path, "--output", tmp_path / "score.json"]
    process = program(*files, "--vqa", answers, "--vqa-references", right)
    score = json.loads((tmp_path / "score.json").read_text())
    assert process.returncode == 0, process.stderr
    assert score["sets"]["external"]["missing_phases"] == ["video1 0"] and score["unknown"] == ["video2"]
    assert score["vqa"]["accuracy"] == 0.5 and score["s2"] == pytest.approx((score["captions"] + 50) / 2)
    assert "external: phase video1 0 is missing: it counts 0" in process.stdout and "first video2" in process.stdout
    assert "warning: 1 of 2 questions have no answer and count as wrong" in process.stdout
    assert "warning: 1 answers are to no question and are not scored, first q9" in process.stdout
    assert score["software"].keys() == {"nltk", "rouge-score", "wordnet"}
    process = program(*files, "--vqa", answers)
    assert process.returncode == 1 and process.stderr.endswith(
        ": --vqa and --vqa-references go together: answers and the right ones\n"
    )
