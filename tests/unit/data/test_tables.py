"""Tables as people and spreadsheets save them: understood, or refused in a line that says the fix."""

import codecs

import pytest

from roadtrain.data.question import UNGROUPED
from support.refusals import SKIP, refused
from support.tables import HEAD, ROW, lines, row, table


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
    assert line.startswith(f"line 1.{name}: unknown ") and line.endswith("is 'type' meant?")


def test_beside_a_column_type_others_are_the_users(tmp_path):
    (entry,), report = table(tmp_path, "video,type,category,question,a,b,answer\nv.mp4,signs,x,What?,Red,Green,B\n")
    assert entry["group"] == "signs"
    assert report["splits"]["train"]["tasks"]["signs"]["unread_keys"] == {"category": 1}


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
        pytest.param(PLAIN.replace("\n", "\r"), id="CR"),
        pytest.param(codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"), id="UTF-16 of the other order"),
        pytest.param(
            'video,question,options,answer\nv.mp4,What?,Red|Green,B\nv.mp4,"Which ""x"", y?",Yes|No,A\n', id="options"
        ),
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
        (
            HEAD.encode() + "v.mp4,What?,Gr\xfcn,Rot,B\n".encode("latin-1"),
            "line 2: not UTF-8 text: \\xfc; save it as text",
        ),
        (
            codecs.BOM_UTF16_LE + (HEAD + "v.mp4,W\ud800?,Rot,Gelb,B\n").encode("utf-16-le", "surrogatepass"),
            "line 2: \\ud800 is half of a surrogate pair",
        ),
        (codecs.BOM_UTF16_LE + (HEAD + ROW).encode("utf-16-le") + b"v", "line 3: not UTF-16 text: truncated data"),
        ((HEAD + ROW).encode("utf-16-le"), "line 1: holds NUL characters: not text"),
        (
            HEAD.replace("\n", ",\n") + ROW.replace("\n", ",5\n"),
            "line 2: field 6 says something, and its column has no name",
        ),
        ("sep=;\n\n" + HEAD.replace("answer", "answr") + ROW, "line 3.answr: unknown key; is 'answer' meant?"),
        ("sep=;\n" + HEAD.replace("question", "text") + ROW, "line 2: column 'question' is missing"),
        (
            "video;question;a;b;answer;start\nv.mp4;What?;Red;Green;B;1,5\n",
            "line 2.start: expected seconds, found '1,5'; write 1.5",
        ),
        (HEAD + 'v.mp4,"What?,Red,Green,B\nv.mp4,Where?,Red,Green,A\n', "line 2: not valid CSV"),
        ('video,question,options,answer\nv.mp4,What?,"Yes,No",No\n', "; separate them by |: 'Yes|No'"),
        ("video,question,options,answer\nv.mp4,What?,Yes;No,No\n", "; separate them by |: 'Yes|No'"),
    ],
)
def test_what_is_refused_says_the_line_and_the_fix(tmp_path, text, says):
    assert says in refused(table, tmp_path, text)


@pytest.mark.parametrize("name", ["v", "12.30.00", "cam.1"])
def test_a_stem_without_its_ending(tmp_path, name):
    (tmp_path / f"{name}.mp4").touch()
    line = refused(table, tmp_path, HEAD + ROW.replace("v.mp4", name))
    assert line == f"line 2.video: no such file: {name!r}; write '{name}.mp4', which is there"


def test_a_name_that_is_there_as_it_is_written_needs_no_ending(tmp_path):
    (tmp_path / "v").touch()
    (tmp_path / "v.mp4").touch()
    (entry,), _ = table(tmp_path, HEAD + ROW.replace("v.mp4", "v"))
    assert entry["video"] == "v"


@pytest.mark.parametrize("text", [HEAD, HEAD + ",,,,\n\n"])
def test_a_table_without_a_row_is_named(tmp_path, text):
    assert refused(table, tmp_path, text) == "holds no questions"


@pytest.mark.parametrize("broken", ["v.mp4,What?,Red\n", 'v.mp4,"What?,Red,Green,B\n', "v.mp4,W\udcff?,Red,Green,B\n"])
def test_a_broken_row_is_left_out_where_the_spec_says_skip(tmp_path, broken):
    text = (HEAD + ROW + broken + "v.mp4,Where?,Red,Green,A\n").encode(errors="surrogateescape")
    assert refused(table, tmp_path, text).startswith("line 3")
    entries, report = table(tmp_path, text, rules=SKIP)
    assert [entry["question"] for entry in entries] == ["What?", "Where?"]
    left_out = report["splits"]["train"]["left_out"]
    assert left_out["total"] == 1 and left_out["listed"][0]["path"] == "line 3"


# ------------------------------------------------------------------------------------------------ fields of several lines
QUESTION_FIRST = "question,video,a,b,answer\n"
LAST = "Last?,v.mp4,Red,Green,A\n"


def test_a_field_of_several_lines_before_the_video_is_one(tmp_path):
    entries, _ = table(tmp_path, QUESTION_FIRST + '"First\nSecond",v.mp4,Red,Green,B\n' + LAST)
    assert [entry["question"] for entry in entries] == ["First\nSecond", "Last?"]


@pytest.mark.parametrize(
    ("broken", "says", "count"),
    [
        ('"First\nSecond"x,v.mp4,Red,Green,B\n', "',' expected after '\"'", 1),
        ('"First,a,b,c,d\nSecond"x,v.mp4,Red,Green,B\n', "',' expected after '\"'", 2),
        ('"First\nSecond,v.mp4,Red,Green,B\n', "unexpected end of data", 1),
        ('"First,v.mp4,Red,Green,B\n', "unexpected end of data", 1),
        ('"First,v.mp4,Red,Green,B\nSecond",v.mp4,Red,Green,B\n', "a quote that isn't closed takes in the next row", 2),
    ],
)
def test_the_rest_of_a_broken_field_is_never_a_question(tmp_path, broken, says, count):
    """Half of a question would be asked as a whole one."""
    line = refused(table, tmp_path, QUESTION_FIRST + broken + LAST)
    assert line.startswith("line 2: not valid CSV: ") and says in line
    entries, report = table(tmp_path, QUESTION_FIRST + broken + LAST, rules=SKIP)
    assert [entry["question"] for entry in entries] == ["Last?"]
    assert report["splits"]["train"]["left_out"]["total"] == count


def test_rows_that_an_open_quote_takes_in_are_read(tmp_path):
    """Each is whole by itself, and begins with a video: it is no rest of a field."""
    rows = 'v.mp4,"Open,Red,Green,B\nv.mp4,Between?,Red,Green,A\nv.mp4,Of 5",Red,Green,A\nv.mp4,Last?,Red,Green,A\n'
    entries, report = table(tmp_path, HEAD + rows, rules=SKIP)
    assert [entry["question"] for entry in entries] == ["Between?", 'Of 5"', "Last?"]
    assert [item["path"] for item in report["splits"]["train"]["left_out"]["listed"]] == ["line 2"]


def test_a_short_row_with_an_open_quote_takes_no_row_with_it(tmp_path):
    """Where its video stands before the quote, a line with a video of its own is another row."""
    head = "id,video,question,a,b,answer\n"
    rows = 'q1,v.mp4,"Open,Red\nq2,v.mp4,Next?,Red,Green,A\nq3,v.mp4,Last?,Red,Green,A\n'
    entries, report = table(tmp_path, head + rows, rules=SKIP)
    assert [entry["id"] for entry in entries] == ["q2", "q3"]
    assert [item["path"] for item in report["splits"]["train"]["left_out"]["listed"]] == ["line 2"]


def test_lines_that_are_left_out_as_a_rows_own_are_named(tmp_path):
    """`Second,v.mp4,..` may be a row, or half of one: it is left out, and the line says so."""
    _, report = table(tmp_path, QUESTION_FIRST + '"First\nSecond,v.mp4,Red,Green,B\n' + LAST, rules=SKIP)
    (item,) = report["splits"]["train"]["left_out"]["listed"]
    assert item["path"] == "line 2" and item["reason"].endswith("; up to line 3 may be its own")


@pytest.mark.parametrize(
    "broken", ['{"video": "v.mp4"', '{"video": "v.mp4", "video": "w.mp4"}', "[1]", '{"question": "\\ud800"}']
)
def test_a_broken_line_of_json_is_left_out_where_the_spec_says_skip(tmp_path, broken):
    rows = (row(), broken, row(question="Where?"))
    assert refused(lines, tmp_path, *rows).startswith("line 2")
    entries, report = lines(tmp_path, *rows, rules=SKIP)
    assert [entry["question"] for entry in entries] == ["What?", "Where?"]
    assert report["splits"]["train"]["left_out"]["total"] == 1
