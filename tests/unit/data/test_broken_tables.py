"""Tables that are written otherwise, or broken in one row: what is asked stays what it was."""

import json

import pytest

from roadtrain.data.sources.base import Malformed
from support.annotations import write
from support.conversion import NO_VIDEOS, convert_tree
from support.refusals import SKIP, entry, llava, refused

HEAD = "video,question,options,answer\n"
ROW = "v.mp4,Is it wet?,Yes|No,No\n"


def read(folder, content, name="t.csv", rules=NO_VIDEOS, workers=1):
    """(entries, the audit's split) of a table."""
    write(folder / name, content)
    entries, audit = convert_tree(
        folder, folder / "out", rules=rules, workers=workers, source="mcq", files={"train": name, "val": name}
    )
    return entries, audit["splits"]["train"]


def row(**more):
    return {"video": "v.mp4", "question": "Is it wet?", "options": ["Yes", "No"], "answer": "No"} | more


SAME = {
    "semicolons": "video;question;options;answer\nv.mp4;Is it wet?;Yes|No;No\n",
    "tabs in a csv": "video\tquestion\toptions\tanswer\nv.mp4\tIs it wet?\tYes|No\tNo\n",
    "commas in quotes": 'video;question;options;answer\nv.mp4;"Is it wet?";"Yes|No";"No"\n',
    "a line sep=": "sep=;\r\nvideo;question;options;answer\r\nv.mp4;Is it wet?;Yes|No;No\r\n",
    "CRLF and a mark": "\ufeff" + (HEAD + ROW).replace("\n", "\r\n"),
    "CR alone": (HEAD + ROW).replace("\n", "\r"),
    "no line break at the end": (HEAD + ROW).rstrip(),
    "empty last rows": HEAD + ROW + ",,,\n,,,\n\n , , ,\n",
    "empty cells at the end": "video,question,options,answer,,\n" + ROW.replace("\n", ",,\n") + ",,,,,\n",
    "more empty cells than columns": HEAD + ROW.replace("\n", ",,\n"),
    "blank lines before": "\n\n" + HEAD + "\n" + ROW,
    "blanks after commas": 'video, question, options, answer\nv.mp4, "Is it wet?", Yes | No, No\n',
    "names in capitals": HEAD.upper() + ROW,
    "Excel's Unicode text": (HEAD + ROW).replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),
    "the same, big-endian": b"\xfe\xff" + (HEAD + ROW).replace(",", "\t").encode("utf-16-be"),
    "a letter": "video,question,a,b,answer\nv.mp4,Is it wet?,Yes,No,b\n",
    "a letter as prose writes it": "video,question,a,b,answer\nv.mp4,Is it wet?,Yes,No,(B)\n",
    "a letter and words": "video,question,a,b,answer\nv.mp4,Is it wet?,Yes,No,B: no\n",
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME)
def test_what_spreadsheets_and_programs_write_is_understood(content, tmp_path):
    ((entry,), audit) = read(tmp_path, content)
    assert (entry["video"], entry["question"], entry["options"], entry["conversations"][1]["value"]) == (
        "v.mp4",
        "Is it wet?",
        {"A": "Yes", "B": "No"},
        "B",
    )
    assert audit["left_out"]["total"] == 0


@pytest.mark.parametrize("name", ["t.txt", "t.tsv", "t.tab", "table"])
def test_a_table_is_one_whatever_its_ending(name, tmp_path):
    entries, _ = read(tmp_path, (HEAD + ROW).replace(",", "\t"), name)
    assert len(entries) == 1


def test_json_lines_without_an_ending_are_json_lines(tmp_path):
    assert len(read(tmp_path, json.dumps(row()), "table")[0]) == 1


# Beside those of test_tables.py.
REFUSED = [
    (HEAD + "v.mp4,What?,Yes/No,Yes\n", "separate them by |: 'Yes|No'"),
    (HEAD + "v.mp4,What?,\"['Yes', 'No']\",Yes\n", "separate them by |, or give each a column: a, b, .."),
    (HEAD + "v.mp4,What?,Red|Blue,dark red\n", "line 2.answer: expected one of A, B or an option's words"),
    (HEAD + "v.mp4,What?,Red|Blue,A: Blue\n", "line 2.answer: expected one of A, B or an option's words"),
    (HEAD.replace("\n", ",video_start\n"), "line 1.video_start: unknown key"),
    ("video,question,option_a,option_b,answer\n", "line 1.option_a: unknown column; a column of one option is called 'a'"),
    (HEAD.replace("\n", ",\n") + ROW.replace("\n", ",x\n"), "line 2: field 5 says something, and its column has no name"),
    (HEAD.replace("\n", ",start\n") + ROW.replace("\n", "," + "9" * 400 + "\n"), "line 2.start: expected seconds, 0 or more"),
    (HEAD.replace("\n", ",start\n") + ROW.replace("\n", ",٣\n"), "line 2.start: expected seconds, 0 or more"),
    (HEAD + "v.mp4,Is it\0?,x|y,A\n", "line 2: holds NUL characters"),
    (HEAD + ",,,\n", "holds no questions"),
    (json.dumps([row(options={"A": "x", "a": "y"})]), "[0].options: expected the option B, found"),
    (json.dumps([row(options={"A": "x", "\u0131": "y"})]), "[0].options: expected the option B, found"),
    (json.dumps([row(options=["x"] * 27)]), "[0].options: expected two options or more"),
    (json.dumps([row(options=[0.5, "y"], answer="y")]), "[0].options: expected words for the option A, found 0.5; write it as text"),
    (json.dumps([row(answer=True)]), "[0].answer: expected a letter, or an option's words, found True"),
    (json.dumps([row(id=True)]), "[0].id: expected a name or a number, found True"),
    (json.dumps([row(type="a\nb")]), "[0].type: expected a name or a number, in one line"),
    (json.dumps([row(Options=["x"])]), "[0].Options: unknown key; is 'options' meant?"),
    ("[]", "holds no questions"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line"), REFUSED, ids=[line[:60] for _, line in REFUSED])
def test_what_could_be_meant_in_two_ways_is_refused_with_the_fix(content, line, tmp_path):
    assert line in refused(read, tmp_path, content, "t.json" if content[0] == "[" else "t.csv")


def test_a_video_may_have_no_ending(tmp_path):
    write(tmp_path / "plain", b"")
    assert read(tmp_path, HEAD + ROW.replace("v.mp4", "plain"))[0][0]["video"] == "plain"


def test_one_bad_row_is_left_out_and_the_others_are_asked(tmp_path):
    """A short row, broken quotes that take in the next row, bytes that aren't UTF-8: each loses its own line alone."""
    bad = [
        b"v.mp4,Short?,x|y\n",
        b'v.mp4,"Not closed?,x|y,A\n',
        b'v.mp4,Inches of the 5",x|y,A\n',  # would close the quote of the line before
        b'v.mp4,"Closed"twice?,x|y,A\n',
        b"v.mp4,Gr\xf6\xdfe?,x|y,A\n",
        b"v.mp4,One?,x,A\n",
        b'v.mp4,"Not closed to the end?,x|y,A\n',
    ]
    good = [f"v.mp4,Is it {n}?,x|y,B\n".encode() for n in range(len(bad) + 1)]
    lines = [line for pair in zip(good, bad, strict=False) for line in pair] + [good[-1]]
    for workers in (1, 2):
        entries, audit = read(tmp_path, HEAD.encode() + b"".join(lines), rules=SKIP, workers=workers)
        questions = [entry["question"] for entry in entries]
        assert [q for q in questions if q.startswith("Is it")] == [f"Is it {n}?" for n in range(len(good))]
        assert len(questions) == len(good) + 1, 'the row of 5" is whole by itself'
        places = [item["path"].split(".")[0] for item in audit["left_out"]["listed"]]
        assert places == [f"line {n}" for n in (3, 5, 9, 11, 13, 15)]


def test_a_question_of_several_lines_keeps_them(tmp_path):
    """Lines that look like options are the question's own words: options are data."""
    entries, _ = read(tmp_path, HEAD + 'v.mp4,"Q: What, then?\nE: ""none"", or",x|y,B\n' + ROW)
    assert entries[0]["question"] == 'Q: What, then?\nE: "none", or' and entries[0]["options"] == {"A": "x", "B": "y"}
    assert len(entries) == 2


def test_options_that_are_numbers_are_words(tmp_path):
    entries, _ = read(tmp_path, [row(options=[7, 9], answer=9)], "t.json")
    assert entries[0]["options"] == {"A": "7", "B": "9"} and entries[0]["conversations"][1]["value"] == "B"


@pytest.mark.parametrize("options", ["Yes|No", "no|yes", "A|B", "x|A c", "left|right lane|right"])
def test_every_letter_and_every_option_is_an_answer(options, tmp_path):
    for n, words in enumerate(options.split("|")):
        for answer in (words, "ABC"[n], "abc"[n], f"({'ABC'[n]})", words.upper()):
            entries, _ = read(tmp_path, HEAD + f"v.mp4,What?,{options},{answer}\n")
            assert entries[0]["conversations"][1]["value"] == "ABC"[n], (options, answer)


@pytest.mark.parametrize(
    ("key", "word"),
    [("split", "test"), ("Split", " Validation"), ("subset", "dev"), ("set", "val"), ("partition", "TEST")],
)
def test_a_row_that_is_kept_from_training_is_not_trained_on(key, word, tmp_path):
    """Nobody reads the column; its rows would be trained on."""
    content = HEAD.replace("\n", f",{key}\n") + ROW.replace("\n", ",train\n") + ROW.replace("\n", f",{word}\n")
    says = f"line 3.{key.lower()}: says {word.strip()!r}, and stands in data.files.train: put it into a file of its own"
    assert refused(read, tmp_path, content).startswith(says)
    rows = [row(split="train"), row(id="b", split="val")]
    assert refused(read, tmp_path, rows, "t.json").startswith("[1].split: says 'val', and stands in data.files.train")
    entries = [entry(), entry(id="b", split="test")]
    assert refused(llava, tmp_path, entries).startswith("[1].split: says 'test', and stands in data.files.train")


def test_a_row_of_training_is_not_validated_on(tmp_path):
    write(tmp_path / "train.csv", HEAD.replace("\n", ",split\n") + ROW.replace("\n", ",train\n"))
    write(tmp_path / "val.csv", HEAD.replace("\n", ",split\n") + ROW.replace("\n", ",train\n"))
    files = {"train": "train.csv", "val": "val.csv"}
    with pytest.raises(Malformed, match="val.csv: line 2.split: says 'train', and stands in data.files.val"):
        convert_tree(tmp_path, tmp_path / "out", rules=NO_VIDEOS, splits=("train", "val"), source="mcq", files=files)
    write(tmp_path / "val.csv", HEAD.replace("\n", ",split\n") + ROW.replace("\n", ",test\n"))  # what one validates on
    convert_tree(tmp_path, tmp_path / "out", rules=NO_VIDEOS, splits=("train", "val"), source="mcq", files=files)
