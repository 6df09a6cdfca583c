"""Tables of questions as spreadsheets and programs write them: understood, or refused with the fix in the line."""

import json

import pytest

from roadtrain.data.convert import Rules
from roadtrain.data.sources.base import Malformed
from support.annotations import write
from support.conversion import NO_VIDEOS, convert_tree

HEAD = "video,question,options,answer\n"
ROW = "v.mp4,Is it wet?,Yes|No,No\n"
SKIP = Rules(check="none", on_bad_question="skip")


def read(tmp_path, content, name="t.csv", rules=NO_VIDEOS, workers=1):
    """(entries, the audit's split) of a table."""
    write(tmp_path / name, content)
    entries, audit = convert_tree(
        tmp_path, tmp_path / "out", rules=rules, workers=workers, source="mcq", files={"train": name, "val": name}
    )
    return entries, audit["splits"]["train"]


def row(**more):
    return {"video": "v.mp4", "question": "Is it wet?", "options": ["Yes", "No"], "answer": "No"} | more


def refused(tmp_path, content, name="t.csv"):
    """The line that refuses a table."""
    with pytest.raises(Malformed) as caught:
        read(tmp_path, content, name)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / name}: ") and "\n" not in line
    return line.removeprefix(f"{tmp_path / name}: ")


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


REFUSED = [
    # options and answers that could mean two things
    (HEAD + "v.mp4,What?,B|A,A\n", "line 2.answer: 'A' is the letter of the option A ('B') and the words of the option B"),
    (HEAD + "v.mp4,Where?,us|US,US\n", "line 2.options: the options A ('us') and B ('US') say the same"),
    (HEAD + "v.mp4,What?,x|x,A\n", "line 2.options: the options A ('x') and B ('x') say the same"),
    (HEAD + "v.mp4,What?,Ｘ|x,A\n", "line 2.options: the options A ('Ｘ') and B ('x') say the same"),
    (HEAD + 'v.mp4,What?,"Yes,No",Yes\n', "line 2.options: expected two options or more, found 'Yes,No'; separate them by |: 'Yes|No'"),
    (HEAD + "v.mp4,What?,Yes/No,Yes\n", "separate them by |: 'Yes|No'"),
    (HEAD + "v.mp4,What?,Yes; No,Yes\n", "separate them by |: 'Yes|No'"),
    (HEAD + "v.mp4,What?,\"['Yes', 'No']\",Yes\n", "separate them by |, or give each a column: a, b, .."),
    (HEAD + "v.mp4,What?,A: Yes|B: No,A\n", "line 2.options: the options have letters of their own ('A: Yes'); leave them out"),
    (HEAD + 'v.mp4,What?,"x\nC: z|y",A\n', "line 2.options: the option A has a line that reads as the option C"),
    (HEAD + 'v.mp4,"What?\nA: x\nB: y",x|y,A\n', "line 2.options: the question's text lists the options of this column once more"),
    (HEAD + "v.mp4,What?,x|y,C\n", "line 2.answer: expected one of A, B or an option's words, found 'C'"),
    (HEAD + "v.mp4,What?,Red|Blue,dark red\n", "line 2.answer: expected one of A, B or an option's words"),
    (HEAD + "v.mp4,What?,Red|Blue,A: Blue\n", "line 2.answer: expected one of A, B or an option's words"),
    # columns
    ("video,question,a,b,options,answer\n", "line 1: 'options' stands beside the options 'a', 'b'; keep one of the two"),
    ("video,question,options,answer,answer\n", "line 1: column 'answer' is there twice"),
    ("video,question,a,B,b,answer\n", "line 1: column 'b' is there twice"),
    ("video,qestion,options,answer\n", "line 1: column 'question' is missing"),
    ("video,question,options,anwser\n", "line 1.anwser: unknown key; is 'answer' meant?"),
    (HEAD.replace("\n", ",video_start\n"), "line 1.video_start: unknown key"),
    (HEAD.replace("\n", ",start_time\n"), "line 1.start_time: unknown key that would change what is asked"),
    (HEAD.replace("\n", ",category\n"), "line 1.category: unknown column; is 'type' meant?"),
    ("video,question,option_a,option_b,answer\n", "line 1.option_a: unknown column; a column of one option is called 'a'"),
    (HEAD.replace("\n", ",\n") + ROW.replace("\n", ",x\n"), "line 2: field 5 says something, and its column has no name"),
    # times
    (HEAD.replace("\n", ",start\n") + ROW.replace("\n", ",1_0\n"), "line 2.start: expected seconds, 0 or more"),
    (HEAD.replace("\n", ",start\n") + ROW.replace("\n", "," + "9" * 400 + "\n"), "line 2.start: expected seconds, 0 or more"),
    (HEAD.replace("\n", ",start\n") + ROW.replace("\n", ',"1,5"\n'), "line 2.start: expected seconds, found '1,5'; write 1.5"),
    (HEAD.replace("\n", ",start\n") + ROW.replace("\n", ",٣\n"), "line 2.start: expected seconds, 0 or more"),
    (HEAD + ",,,\n", "holds no questions"),
    # text
    (HEAD.encode() + ROW.encode() + "v.mp4,Größe?,x|y,A\n".encode("latin-1"), "line 3: not UTF-8 text: \\xf6; save it as text: CSV UTF-8"),
    (b"PK\x03\x04 a workbook", "an Excel workbook or an archive, not text; save it as text: CSV UTF-8"),
    ((HEAD + ROW).encode("utf-16-le"), "line 1: holds NUL characters: not text; save it as text: CSV UTF-8"),
    (HEAD + "v.mp4,Is it\0?,x|y,A\n", "line 2: holds NUL characters"),
    (HEAD + 'v.mp4,"Is it?,x|y,A\n', "line 2: not valid CSV"),
    (HEAD + "v.mp4,Is it red, or not?,x|y,A\n", "line 2: expected 4 fields, found 5; a field that holds a comma stands in quotes"),
    (HEAD + "v.mp4,Is it?,x|y\n", "line 2: expected 4 fields, found 3"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line"), REFUSED, ids=[line[:60] for _, line in REFUSED])
def test_what_could_be_meant_in_two_ways_is_refused_with_the_fix(content, line, tmp_path):
    assert line in refused(tmp_path, content)


REFUSED_JSON = [
    (
        row(options={"A": "B", "B": "A"}, answer="B"),
        "[0].answer: 'B' is the letter of the option B ('A') and the words",
    ),
    (row(a="Yes", b="No"), "[0]: 'options' stands beside the options 'a', 'b'; keep one of the two"),
    (row(options={"A": "x", "a": "y"}), "[0].options: expected the option B, found"),
    (row(options={"A": "x", "\u0131": "y"}), "[0].options: expected the option B, found"),
    (row(options=["x"] * 27), "[0].options: expected two options or more"),
    (
        row(options=["x", True], answer="x"),
        "[0].options: expected words for the option B, found True; write it as text",
    ),
    (row(options=[0.5, "y"], answer="y"), "[0].options: expected words for the option A, found 0.5; write it as text"),
    (row(answer=True), "[0].answer: expected a letter, or an option's words, found True"),
    (row(id=True), "[0].id: expected a name or a number, found True"),
    (row(type=True), "[0].type: expected a name in one line, found True"),
    (row(type="a\nb"), "[0].type: expected a name in one line"),
    (row(scenario=[1]), "[0].scenario: expected a name in one line, found a list"),
    (row(start=True), "[0].start: expected seconds"),
    (row(start="1_0"), "[0].start: expected seconds"),
    (row(video_start=3), "[0].video_start: unknown key"),
    (row(Options=["x"]), "[0].Options: unknown key; is 'options' meant?"),
    (7, "[0]: expected an object with video, question, options and answer, found 7"),
]


@pytest.mark.parametrize(("value", "line"), REFUSED_JSON, ids=[line[:60] for _, line in REFUSED_JSON])
def test_a_row_of_json_is_refused_alike(value, line, tmp_path):
    assert line in refused(tmp_path, [value], "t.json")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ('"answer": "No", "answer": "Yes"', "line 1.answer: the key is there twice, as 'No' and as 'Yes'"),
        ('"answer": "\\ud800"', "half of a surrogate pair"),
        ('"answer": "No", "start": ' + "9" * 400, "a number of 400 digits"),
        ('"answer": "No", "start": NaN', "NaN is not JSON"),
    ],
)
def test_json_that_says_two_things_or_none_is_refused(more, line, tmp_path):
    text = '{"video": "v.mp4", "question": "What?", "options": ["Yes", "No"], ' + more + "}"
    assert line in refused(tmp_path, text, "t.jsonl")


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


def test_one_broken_line_of_json_is_left_out(tmp_path):
    lines = [json.dumps(row(question="One?")), "{oops", json.dumps(row(question="Two?")), '{"video": 1, "video": 2}']
    entries, audit = read(tmp_path, "\n".join(lines), "t.jsonl", rules=SKIP)
    assert [entry["question"] for entry in entries] == ["One?", "Two?"]
    assert [item["path"] for item in audit["left_out"]["listed"]] == ["line 2", "line 4.video"]


def test_a_question_of_several_lines_keeps_them(tmp_path):
    """Lines that look like options are the question's own words: options are data."""
    entries, _ = read(tmp_path, HEAD + 'v.mp4,"Q: What, then?\nE: ""none"", or",x|y,B\n' + ROW)
    assert entries[0]["question"] == 'Q: What, then?\nE: "none", or' and entries[0]["options"] == {"A": "x", "B": "y"}
    assert len(entries) == 2


def test_columns_that_nobody_reads_are_counted_once_in_the_audit(tmp_path):
    table = "video,question,options,answer,source_id,remarks\n" + "v.mp4,Is it?,x|y,A,7,dark\n" * 1
    table += "w.mp4,Is it?,x|y,A,,dark\n"
    _, audit = read(tmp_path, table)
    assert audit["tasks"]["mcq"]["unread_keys"] == {"remarks": 2, "source_id": 1}


def test_a_video_without_its_ending_is_named_with_the_file_that_is_there(tmp_path):
    write(tmp_path / "clip.mp4", b"")
    write(tmp_path / "plain", b"")
    table = HEAD + "clip,Is it wet?,Yes|No,No\n"
    assert refused(tmp_path, table) == "line 2.video: no such file: 'clip'; write 'clip.mp4', which is there"
    entries, _ = read(tmp_path, HEAD + "plain,Is it wet?,Yes|No,No\n")
    assert entries[0]["video"] == "plain"


def test_ids_that_are_there_twice_are_an_error_with_both_places(tmp_path):
    table = HEAD.replace("\n", ",id\n") + ROW.replace("\n", ",q1\n") + ROW.replace("wet", "dry").replace("\n", ",q1\n")
    line = refused(tmp_path, table)
    assert "q1" in line and "line 3" in line and "line 2" in line
    assert "q1" in refused(tmp_path, "\n".join(json.dumps(row(id=i)) for i in (1, "1")), "t.jsonl").replace("1", "q1")


def test_options_that_are_numbers_are_words(tmp_path):
    entries, _ = read(tmp_path, [row(options=[2, 1], answer=1)], "t.json")
    assert entries[0]["options"] == {"A": "2", "B": "1"} and entries[0]["conversations"][1]["value"] == "B"


@pytest.mark.parametrize("options", ["Yes|No", "no|yes", "A|B", "x|A c", "left|right lane|right"])
def test_every_letter_and_every_option_is_an_answer(options, tmp_path):
    for n, words in enumerate(options.split("|")):
        for answer in (words, "ABC"[n], "abc"[n], f"({'ABC'[n]})", words.upper()):
            entries, _ = read(tmp_path, HEAD + f"v.mp4,What?,{options},{answer}\n")
            assert entries[0]["conversations"][1]["value"] == "ABC"[n], (options, answer)
