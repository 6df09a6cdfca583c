"""Tables as people and spreadsheets save them: understood, or refused in a line that says the fix."""

import codecs
import json

import pytest

from roadtrain.data.question import UNGROUPED
from support.conversion import convert_tree
from support.refusals import SKIP, refused

HEAD = "video,question,a,b,answer\n"
ROW = "v.mp4,What?,Red,Green,B\n"


def table(folder, text, name="t.csv", **more):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return convert_tree(folder, folder / "out", source="mcq", files={"train": name, "val": name}, **more)


def lines(folder, *rows, **more):
    return table(folder, "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "t.jsonl", **more)


def row(**more) -> dict:
    return {"video": "v.mp4", "question": "What?", "options": ["Red", "Green"], "answer": "B"} | more


def meaning(entries) -> list:
    return [
        (
            e["video"],
            e["question"],
            tuple(e["options"].values()),
            e["conversations"][1]["value"],
            e.get("group", UNGROUPED),
        )
        for e in entries
    ]


# ------------------------------------------------------------------------------------------------ groups
def test_the_tables_type_is_the_group_of_its_questions(tmp_path):
    text = "video,type,question,a,b,answer\nv.mp4,signs,What?,Red,Green,B\nw.mp4,,What?,Red,Green,A\n"
    entries, report = table(tmp_path, text)
    assert [entry.get("group", UNGROUPED) for entry in entries] == ["signs", "ungrouped"]
    assert set(report["splits"]["train"]["tasks"]) >= {"signs", "mcq"}


@pytest.mark.parametrize("name", ["group", "category", "question_type", "tpye", "typ"])
def test_a_column_that_could_mean_the_group(tmp_path, name):
    line = refused(table, tmp_path, f"video,{name},question,a,b,answer\nv.mp4,signs,What?,Red,Green,B\n")
    assert line == f"line 1.{name}: unknown column; is 'type' meant?" or "is 'type' meant" in line


# ------------------------------------------------------------------------------------------------ columns
def test_other_columns_are_counted_by_the_audit(tmp_path):
    text = "video,question,a,b,answer,difficulty,remark\nv.mp4,What?,Red,Green,B,3,none\nv.mp4,Where?,Red,Green,A,,\n"
    entries, report = table(tmp_path, text)
    assert len(entries) == 2
    assert report["splits"]["train"]["tasks"]["mcq"]["unread_keys"] == {"difficulty": 1, "remark": 1}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("video,quesstion,a,b,answer", "column 'question' is missing; found 'video, quesstion, a, b, answer'"),
        ("video,question,a,b,answr", "line 1.answr: unknown key; is 'answer' meant?"),
        ("video,question,a,b,answer,Answer", "column 'answer' is there twice"),
        ("video,question,a,A,b,answer", "column 'a' is there twice"),
        ("video,question,options,a,answer", "'options' stands beside the options 'a'; keep one of the two"),
        ("video,question,a,b,answer,begin", "unknown key that would change what is asked"),
    ],
)
def test_headers_that_say_something_else(tmp_path, header, says):
    cells = ["v.mp4", "What?", "Red", "Green", "B", "1"][: header.count(",") + 1]
    assert says in refused(table, tmp_path, f"{header}\n{','.join(cells)}\n")


# ------------------------------------------------------------------------------------------------ what spreadsheets save
EXPECTED = [
    ("v.mp4", "What?", ("Red", "Green"), "B", "ungrouped"),
    ("v.mp4", 'Which "x", y?', ("Yes", "No"), "A", "ungrouped"),
]
PLAIN = HEAD + ROW + 'v.mp4,"Which ""x"", y?",Yes,No,A\n'
SEMICOLONS = 'video;question;a;b;answer\nv.mp4;What?;Red;Green;B\nv.mp4;"Which ""x"", y?";Yes;No;A\n'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PLAIN, id="comma"),
        pytest.param(SEMICOLONS, id="semicolon"),
        pytest.param(SEMICOLONS.replace(";", "\t"), id="tab"),
        pytest.param("sep=;\n" + SEMICOLONS, id="sep="),
        pytest.param(codecs.BOM_UTF8 + PLAIN.encode(), id="BOM"),
        pytest.param(PLAIN.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(SEMICOLONS.replace(";", "\t").encode("utf-16"), id="Unicode text of Excel"),
        pytest.param(PLAIN + ",,,,\n\n,,,,\n", id="empty last rows"),
        pytest.param(
            PLAIN.replace("answer", "answer,,").replace(",B\n", ",B,,\n").replace(",A\n", ",A,,\n"),
            id="empty last columns",
        ),
        pytest.param(PLAIN.replace("video", " Video ").replace("answer", "ANSWER"), id="names in capitals"),
    ],
)
def test_tables_as_programs_save_them(tmp_path, text):
    entries, report = table(tmp_path, text)
    assert meaning(entries) == EXPECTED and report["splits"]["train"]["left_out"]["total"] == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"PK\x03\x04rest", "an Excel workbook or an archive, not text; save it as text: CSV UTF-8"),
        (b"video,question\0", "line 1: holds NUL characters: not text"),
        ("vidéo,question,a,b,answer\n".encode("latin-1"), "line 1: not UTF-8 text; save it as text: CSV UTF-8"),
        ("", "the file is empty; expected a header"),
        (HEAD + ROW + "v.mp4,What?,Red,B\n", "line 3: expected 5 fields, found 4"),
        (
            HEAD + ROW + "v.mp4,What, now?,Red,Green,B\n",
            "line 3: expected 5 fields, found 6; a field that holds a comma stands in quotes",
        ),
        (HEAD + ROW + "v.mp4,What?,Gr\xfcn,Rot,B\n".encode("latin-1").decode("latin-1"), None),
        (HEAD + 'v.mp4,"What?,Red,Green,B\nv.mp4,Where?,Red,Green,A\n', "line 2: not valid CSV"),
        ('video,question,options,answer\nv.mp4,What?,"Yes,No",No\n', "; separate them by |: 'Yes|No'"),
        ("video,question,options,answer\nv.mp4,What?,Yes;No,No\n", "; separate them by |: 'Yes|No'"),
    ],
)
def test_what_is_refused_says_the_line_and_the_fix(tmp_path, text, says):
    if says is None:
        assert len(table(tmp_path, text)[0]) == 2
    else:
        assert says in refused(table, tmp_path, text)


def test_a_stem_without_its_ending(tmp_path):
    (tmp_path / "v.mp4").touch()
    line = refused(table, tmp_path, HEAD + ROW.replace("v.mp4", "v"))
    assert line == "line 2.video: no such file: 'v'; write 'v.mp4', which is there"


@pytest.mark.parametrize("broken", ["v.mp4,What?,Red\n", 'v.mp4,"What?,Red,Green,B\n', "v.mp4,W\udcff?,Red,Green,B\n"])
def test_a_broken_row_is_left_out_where_the_spec_says_skip(tmp_path, broken):
    text = (HEAD + ROW + broken + "v.mp4,Where?,Red,Green,A\n").encode(errors="surrogateescape")
    assert refused(table, tmp_path, text).startswith("line 3")
    entries, report = table(tmp_path, text, rules=SKIP)
    assert [entry["question"] for entry in entries] == ["What?", "Where?"]
    left_out = report["splits"]["train"]["left_out"]
    assert left_out["total"] == 1 and left_out["listed"][0]["path"] == "line 3"


@pytest.mark.parametrize(
    "broken", ['{"video": "v.mp4"', '{"video": "v.mp4", "video": "w.mp4"}', "[1]", '{"question": "\\ud800"}']
)
def test_a_broken_line_of_json_is_left_out_where_the_spec_says_skip(tmp_path, broken):
    rows = (row(), broken, row(question="Where?"))
    assert refused(lines, tmp_path, *rows).startswith("line 2")
    entries, report = lines(tmp_path, *rows, rules=SKIP)
    assert [entry["question"] for entry in entries] == ["What?", "Where?"]
    assert report["splits"]["train"]["left_out"]["total"] == 1


# ------------------------------------------------------------------------------------------------ what could mean two things
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"options": ["B", "A"], "answer": "A"},
            "'A' is the letter of the option A ('B') and the words of the option B",
        ),
        ({"options": ["us", "US"], "answer": "US"}, "the options A ('us') and B ('US') say the same"),
        ({"options": ["Red", " red "]}, "say the same"),
        ({"options": ["Red", "Red."]}, "say the same"),
        ({"options": '["Red", "Blue|Green"]'}, "write them without brackets"),
        ({"options": ["Red", "Ｒｅｄ"]}, "say the same"),
        ({"options": ["Red"]}, "expected two options or more"),
        ({"options": {"A": "Red", "C": "Green"}}, "expected the option B"),
        (
            {"options": [True, False], "answer": "A"},
            "expected words for the option A, found True; write it as text, in quotes",
        ),
        ({"options": ["A: Red", "B: Green"]}, "the options have letters of their own"),
        ({"options": ["Red\nC: Blue", "Green"]}, "the option A has a line that reads as the option C"),
        ({"question": "What?\nA: Red\nB: Green"}, "lists the options of this column once more"),
        ({"question": True}, "question"),
        ({"answer": "Blue"}, "expected one of A, B or an option's words, found 'Blue'"),
        ({"answer": "A or B"}, "expected one of A, B or an option's words"),
        ({"answer": None}, "answer"),
        ({"start": "1_0"}, "expected seconds, 0 or more"),
        ({"start": True}, "expected seconds, 0 or more"),
        ({"start": "1,5"}, "write 1.5"),
        ({"start": "0x10"}, "expected seconds"),
        ({"start": 5, "end": 5}, "expected end after start"),
        ({"start_time": 3}, "unknown key"),
        ({"a": "Red"}, "'options' stands beside the options 'a'"),
        ({"type": ["x"]}, "expected a name in one line"),
        ({"video": "../v.mp4"}, "leads outside the media folder"),
    ],
)
def test_rows_that_could_mean_two_things(tmp_path, change, says):
    rows = (row(), row(**change))
    line = refused(lines, tmp_path, *rows)
    assert line.startswith("line 2") and says in line


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "NaN", "Infinity"])
def test_numbers_that_are_none(tmp_path, number):
    text = json.dumps(row(start=0)).replace('"start": 0', f'"start": {number}')
    assert refused(lines, tmp_path, text).startswith("line 1")


def test_ids_that_are_there_twice(tmp_path):
    line = refused(lines, tmp_path, row(id="x"), row(id="y"), row(id="x"))
    assert "duplicate id x" in line and "line 1" in line and "line 3" in line
    assert "duplicate id" in refused(lines, tmp_path, row(id=1), row(id="1"))


@pytest.mark.parametrize("answer", ["B", "b", "(B)", "Green", "green", "B: Green", "B. Green"])
def test_forms_of_the_right_answer(tmp_path, answer):
    (entry,), _ = lines(tmp_path, row(answer=answer))
    assert entry["conversations"][1]["value"] == "B"


def test_letters_as_words_in_their_own_places_are_no_matter(tmp_path):
    """Options A: `A`, B: `B`: the letter and the words agree."""
    (entry,), _ = lines(tmp_path, row(options=["A", "B"], answer="B"))
    assert (entry["options"], entry["conversations"][1]["value"]) == ({"A": "A", "B": "B"}, "B")


def test_text_that_reads_as_markup_is_text(tmp_path):
    text = "The <video> tag, <|video_pad|> and {x}?"
    (entry,), _ = lines(tmp_path, row(question=text))
    assert entry["question"] == text
