"""T9 says what the epochs have seen by what conversion counted and by hashes; T8 has each kind of answer by its own measure."""

import copy

import pytest

from roadtrain.files import read_json, sha256_file, sha256_json, write_json
from roadtrain.paper.document import paper_markdown
from roadtrain.paper.tables.kinds import kinds_table
from roadtrain.paper.tables.sets import sets_table
from roadtrain.results.comparisons import compare
from roadtrain.results.reader import Results
from support.fabricate import fabricate

SYN = {"synthetic": True, "questions": 480, "media": 40, "content": "ab" * 8}
REAL = {"synthetic": False, "questions": 12, "media": 3, "content": "cd" * 8}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    spec = fabricate(tmp_path_factory.mktemp("sets"), scenarios=6, frames=False)
    write_json(spec.with_name("comparisons.json"), compare(Results.load(spec).predictions(), 100))
    return spec


def with_sets(spec, **sets) -> Results:
    """The run with these data sets in train; the rest of the audit stays."""
    results = Results.load(spec)
    path = results.at(results.paths.audit)
    audit = read_json(path)
    audit["splits"]["train"]["sets"] = sets
    write_json(path, audit)
    return Results.load(spec)


def confirm(results) -> None:
    """Epochs that were made from the files that lie there, as training writes it."""
    paths = results.paths
    for ablation in results.ablations:
        index = paths.frames(ablation.settings["vision_name"], "train")
        llava = paths.training(ablation.share, ablation.settings["train"]["seed"])
        files = [results.at(path) for path in (paths.toml(ablation.name), llava, index)]
        origin = {file.name: sha256_file(file) for file in files} | {"base": ablation.manifest("zero_shot")["sha256"]}
        for name in ablation.unquantized[1:]:
            path = results.at(paths.checkpoint(ablation.name, name))
            write_json(path, read_json(path) | {"fingerprint": sha256_json(origin)})


@pytest.mark.parametrize(
    ("sets", "verdict"),
    [
        ({"SynWTS": SYN}, "trained on SynWTS: synthetic data alone."),
        ({"SynWTS": SYN, "WTS": REAL}, "trained on SynWTS, WTS: not synthetic data alone (WTS)."),
        ({"own data": REAL | {"synthetic": None}}, "trained on own data: whether that is synthetic is not known."),
        ({"own data": REAL | {"synthetic": None}, "WTS": REAL}, "not synthetic data alone (WTS)."),
        ({"own data": REAL | {"synthetic": None}, "SynWTS": SYN}, "whether that is synthetic is not known."),
        ({}, "trained on not recorded: whether that is synthetic is not known."),
    ],
)
def test_one_real_video_is_enough_to_be_no_synthetic_data(tree, sets, verdict):
    assert verdict in sets_table(with_sets(tree, **sets)).caption


def test_the_rows_are_what_conversion_counted(tree):
    table = sets_table(with_sets(tree, SynWTS=SYN, WTS=REAL))
    rows = [[str(cell) for cell in row] for row in table.rows]
    assert rows[0] == ["trained on", "SynWTS", "yes", "480", "40", "ab" * 8]
    assert rows[1] == ["trained on", "WTS", "no", "12", "3", "cd" * 8]
    assert rows[2][0] == "best epoch chosen by"


def test_the_spec_has_no_say(tree):
    """A spec that claims another source changes nothing."""
    before = sets_table(with_sets(tree, WTS=REAL))
    resolved = copy.deepcopy(Results.load(tree).resolved)
    resolved["spec"]["data"]["source"] = "synwts"
    assert sets_table(Results(tree.absolute().parent, resolved)) == before


def test_epochs_of_other_conversations_are_named(tree):
    results = with_sets(tree, SynWTS=SYN)
    confirm(results)
    assert (
        "The hashes of what every epoch was made from are those of these conversations." in sets_table(results).caption
    )
    llava = results.at(results.paths.llava("train"))
    text = llava.read_text()
    llava.write_text(text.replace("Dry", "Damp"))
    assert "Not confirmed by hashes: nframes8, fps1_8k." in sets_table(results).caption
    llava.write_text(text)
    path = results.at(results.paths.checkpoint("nframes8", "epoch_1"))
    write_json(path, read_json(path) | {"fingerprint": "another"})
    assert "Not confirmed by hashes: nframes8." in sets_table(results).caption


def test_a_share_is_confirmed_by_its_own_conversations_and_counted(tmp_path):
    """An ablation on a part of the scenarios is made from the part's file, and has seen fewer questions than the rows say."""
    ablations = {
        name: {"vision": {"nframes": 8}, "train": {"share": share}} for name, share in (("half", 0.5), ("whole", 1.0))
    }
    results = with_sets(fabricate(tmp_path, scenarios=3, frames=False, ablations=ablations), SynWTS=SYN)
    confirm(results)
    caption = sets_table(results).caption
    assert "On a part of these (train.share): half (72 of 144 questions). The hashes" in caption
    part = results.at(results.paths.training(0.5, results.ablations[0].settings["train"]["seed"]))
    part.write_text(part.read_text().replace("Dry", "Damp"))
    assert "Not confirmed by hashes: half." in sets_table(results).caption


def test_letters_alone_have_no_table_in_the_paper(tree):
    results = Results.load(tree)
    assert kinds_table(results).caption == "Every answer is a letter or a word." and "T8" not in paper_markdown(results)
    assert "T9 Data sets" in paper_markdown(results)


def test_each_kind_has_its_measure(tree):
    results = Results.load(tree)
    right = {"total_questions": 4, "total_correct": 3, "accuracy": 0.75, "unanswered": 1, "ci95": [0.5, 1.0]}
    mean = {"bleu": 0.1, "meteor": 0.2, "rouge_l": 0.3, "cider": 4.0}
    text = {"questions": 2, "mean": mean, "score": 25.0, "ci95": [20.0, 30.0]}
    interval = {"questions": 5, "not_asked": 0, "mean_iou": 0.4, "ci95": [0.2, 0.6], "half": 0.4, "without_length": 0}
    kinds = {
        "binary": right,
        "interval": interval | {"unread": {"no time": 1, "answer cut off": 1}},
        "text": text | {"not_asked": 0, "unread": {"no tags": 1}, "by_group": {"open_qa": text}},
    }
    use = {"responses": 8, "well_formed": 6, "mistakes": {"no tags": 1, "answer cut off": 1}}
    path = results.at(results.paths.accuracy("nframes8", "epoch_3"))
    write_json(path, read_json(path) | {"kinds": kinds, "reasoning": use})
    rows = [[str(cell) for cell in row] for row in kinds_table(results).rows if row[1] == "epoch_3"][:4]
    assert [row[2:10] for row in rows] == [
        ["binary", "all", "4", "accuracy", "75.00", "50.00", "100.00", "1"],
        ["interval", "all", "5", "mean IoU", "40.00", "20.00", "60.00", "2"],
        ["text", "all", "2", "caption metrics", "25.00", "20.00", "30.00", "1"],
        ["text", "open_qa", "2", "caption metrics", "25.00", "20.00", "30.00", "None"],
    ]
    assert {row[10] for row in rows} == {"75.00"} and "T8 Kinds of answers" in paper_markdown(results)
