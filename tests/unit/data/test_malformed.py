"""Every kind of malformed annotation ends in one line: the file, the path inside it, what was expected."""

import json

import pytest

from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.sources.base import Malformed
from roadtrain.data.sources.bdd import Bdd
from roadtrain.data.sources.llava import Llava
from roadtrain.data.sources.mcq import Mcq
from roadtrain.data.sources.wts import Wts
from roadtrain.data.sources.wts_test import WtsTest
from support.annotations import mcq, phase, scenario, write, wts_file

TEXT = json.dumps([{"id": 1, "overhead_videos": ["v.mp4"], "environment": [mcq()]}])


def env(*rows, **record):
    return [{"id": 1, "overhead_videos": ["v.mp4"], "environment": list(rows) or [mcq()]} | record]


def without(value: dict, *keys) -> dict:
    return {key: item for key, item in value.items() if key not in keys}


def phases(*items, **record):
    return [{"id": 1, "overhead_videos": ["v.mp4"], "event_phase": list(items) or [phase()]} | record]


# (what is in an environment file, the path that is named, words of what was expected)
ENVIRONMENT = [
    ("", "", "the file is empty"),
    ("   \n", "", "the file is empty"),
    (TEXT[:-1], "", "line 1"),
    (TEXT[:40], "", "line 1"),
    (TEXT[:22], "", "Unterminated string"),
    (TEXT + "]", "", "Extra data"),
    (TEXT.replace('"id": 1', '"id": NaN'), "[0].id", "NaN is not JSON"),
    (TEXT.replace('"id": 1', '"id": Infinity'), "[0].id", "Infinity is not JSON"),
    (TEXT.replace('"id"', "'id'"), "", "not valid JSON"),
    (TEXT.replace("v.mp4", "\x01.mp4"), "", "control character"),
    (TEXT.replace("v.mp4", "\\ud800.mp4"), "[0].overhead_videos[0]", "half of a surrogate pair"),
    (TEXT.replace('"v.mp4"]', '"v.mp4",]'), "", "not valid JSON"),
    ("[" * 5000, "", "not valid JSON"),
    (b"\xff\xfe" + TEXT.encode("utf-16-le"), "", "not UTF-8"),
    (TEXT.encode().replace(b"weather", b"w\xe4ther"), "", "not UTF-8"),
    ("null", "", "expected a list of one object, found null"),
    ("7", "", "expected a list of one object, found 7"),
    ('"text"', "", "expected a list of one object"),
    ([[]], "[0]", "expected an object"),
    ([None], "[0]", "expected an object, found null"),
    (env() + env(), "", "expected a list of one object, found 2"),
    ([{}], "[0]", "key 'overhead_videos' is missing"),
    ([without(env()[0], "id")], "[0]", "key 'id' is missing"),
    (env(id=None), "[0]", "key 'id' is missing"),
    (env(id=[1]), "[0].id", "expected the scenario's number"),
    (env(id=True), "[0].id", "expected the scenario's number"),
    ([without(env()[0], "overhead_videos")], "[0]", "key 'overhead_videos' is missing"),
    (env(overhead_videos=[]), "[0].overhead_videos", "expected names of videos, found an empty list"),
    (env(overhead_videos={"a": 1}), "[0].overhead_videos", "found an object"),
    (env(overhead_videos=[3]), "[0].overhead_videos[0]", "expected the name of a file"),
    (env(overhead_videos=["v.mp4", ""]), "[0].overhead_videos[1]", "expected the name of a file"),
    (env(overhead_videos=["../v.mp4"]), "[0].overhead_videos[0]", "refused"),
    (env(overhead_videos=["..\\v.mp4"]), "[0].overhead_videos[0]", "refused"),
    (env(overhead_videos=["/etc/passwd"]), "[0].overhead_videos[0]", "refused"),
    (env(overhead_videos=["C:\\v.mp4"]), "[0].overhead_videos[0]", "refused"),
    (env(overhead_videos=["a/v.mp4"]), "[0].overhead_videos[0]", "without folders"),
    (env(overhead_videos=["a\nb.mp4"]), "[0].overhead_videos[0]", "plain relative path"),
    ([without(env()[0], "environment")], "[0]", "key 'environment' is missing"),
    (env(environment=None), "[0].environment", "expected a list of questions, found null"),
    (env(environment={"question": 1}), "[0].environment", "expected a list of questions, found an object"),
    (env("text"), "[0].environment[0]", "expected an object"),
    (env(None), "[0].environment[0]", "found null"),
    (env(mcq(), [1]), "[0].environment[1]", "expected an object"),
    (env(without(mcq(), "question")), "[0].environment[0]", "key 'question' is missing"),
    (env(mcq(question=5)), "[0].environment[0].question", "found 5"),
    (env(mcq(question=" ")), "[0].environment[0].question", "found an empty one"),
    (env(mcq(), without(mcq(), "correct")), "[0].environment[1]", "key 'correct' is missing"),
    (env(mcq(correct="c")), "[0].environment[0].correct", "expected one of a, b, found 'c'"),
    (env(mcq(correct="")), "[0].environment[0].correct", "expected one of a, b"),
    (env(mcq(correct="ab")), "[0].environment[0].correct", "expected one of a, b"),
    (env(mcq(correct=1)), "[0].environment[0].correct", "found 1"),
    (env(mcq(correct=["a"])), "[0].environment[0].correct", "found a list"),
    (env(mcq(correct=None)), "[0].environment[0].correct", "found null"),
    (env(mcq(options=("Clear",))), "[0].environment[0]", "at least the options a and b, found a"),
    (env(mcq(options=())), "[0].environment[0]", "found none"),
    (env(without(mcq(options=("x", "y", "z")), "b")), "[0].environment[0]", "option 'b' is missing"),
    (env(mcq(e="fifth")), "[0].environment[0].e", "options a to d only"),
    (env(mcq(options=("Clear", None))), "[0].environment[0].b", "found null"),
    (env(mcq(options=("Clear", " "))), "[0].environment[0].b", "found an empty one"),
    (env(mcq(options=("Clear", True))), "[0].environment[0].b", "found True"),
    (env(mcq(options=("Clear", {"t": 1}))), "[0].environment[0].b", "found an object"),
    (phases(), "[0]", "key 'environment' is missing"),
]

PHASES = [
    ([without(phases()[0], "event_phase")], "[0]", "key 'event_phase' is missing"),
    (phases(event_phase={}), "[0].event_phase", "expected a list of phases"),
    (phases(7), "[0].event_phase[0]", "expected an object"),
    (phases(phase(), without(phase(), "start_time")), "[0].event_phase[1]", "key 'start_time' is missing"),
    (phases(without(phase(), "end_time")), "[0].event_phase[0]", "key 'end_time' is missing"),
    (phases(phase(start="soon")), "[0].event_phase[0].start_time", "expected seconds"),
    (phases(phase(start=-1)), "[0].event_phase[0].start_time", "0 or more"),
    (phases(phase(end="nan")), "[0].event_phase[0].end_time", "expected seconds"),
    (phases(phase(end="inf")), "[0].event_phase[0].end_time", "expected seconds"),
    (phases(phase(start=[1])), "[0].event_phase[0].start_time", "found a list"),
    (phases(phase(start="3", end="2")), "[0].event_phase[0]", "end_time after start_time, found 3 to 2"),
    (phases(phase(start="2", end="2")), "[0].event_phase[0]", "end_time after start_time"),
    (phases(without(phase(), "labels")), "[0].event_phase[0]", "key 'labels' is missing"),
    (phases(phase(labels="action")), "[0].event_phase[0].labels", "expected a list of one label"),
    (phases(phase(labels=[])), "[0].event_phase[0].labels", "expected a list of one label"),
    (phases(phase(labels=["a", "b"])), "[0].event_phase[0].labels", "expected a list of one label"),
    (phases(without(phase(), "conversations")), "[0].event_phase[0]", "key 'conversations' is missing"),
    (phases(phase(conversations="none")), "[0].event_phase[0].conversations", "expected a list of questions"),
    (
        phases(phase(conversations=[mcq(correct="d")])),
        "[0].event_phase[0].conversations[0].correct",
        "one of a, b",
    ),
]

CAPTIONS = [
    (phases(phase()), "[0].event_phase[0]", "expected a caption"),
    (
        phases(phase(caption_pedestrian=4)),
        "[0].event_phase[0].caption_pedestrian",
        "expected a caption, found 4",
    ),
    (phases(phase(caption_vehicle="  ")), "[0].event_phase[0]", "expected a caption"),
]


def turn(speaker="human", value="<video>\nWhat?"):
    return {"from": speaker, "value": value}


def llava(**more):
    return [{"id": "a", "video": "v.mp4", "conversations": [turn(), turn("gpt", "This.")]} | more]


LLAVA = [
    ("", "", "the file is empty"),
    ("[", "[0]", "the file ends inside the list"),
    ("[{}", "[1]", "expected a comma or the closing bracket"),
    (json.dumps(llava())[:-1] + ",]", "[1]", "a comma before the closing bracket"),
    (json.dumps(llava()) + "x", "[1]", "more after the closing bracket"),
    ("[{]", "[0]", "line 1"),
    ("[\n\n  nul\n]", "[0]", "line 3"),
    ("[NaN]", "[0]", "NaN is not JSON"),
    (b"[\xff]", "", "not UTF-8"),
    ("hello", "line 1", "not valid JSON"),
    (json.dumps(llava()[0]) + "\n{oops}\n", "line 2", "not valid JSON"),
    ([7], "[0]", "expected an object"),
    ([without(llava()[0], "video")], "[0]", "expected 'video' or 'image', found neither"),
    (llava(videos=["w.mp4"]), "[0]", "expected one list of each kind, found video and videos"),
    (llava(image="p.png"), "[0].conversations", "expected 1 times <image>, found 0"),
    (llava(image=7), "[0].image", "expected a name or names of files, found 7"),
    (llava(image=["p.png", "../p.png"]), "[0].image[1]", "refused"),
    (llava(video=[]), "[0].video", "found an empty list"),
    (llava(video=["v.mp4", None]), "[0].video[1]", "expected the name of a file"),
    (llava(video="../../v.mp4"), "[0].video[0]", "refused"),
    (llava(video="http://host/v.mp4"), "[0].video[0]", "refused"),
    ([without(llava()[0], "conversations")], "[0]", "key 'conversations' is missing"),
    (llava(conversations=[]), "[0].conversations", "found an empty list"),
    (llava(conversations="Hello"), "[0].conversations", "expected a list of turns"),
    (llava(conversations=["Hello"]), "[0].conversations[0]", "expected an object"),
    (llava(conversations=[turn()]), "[0].conversations", "the last is missing"),
    (llava(conversations=[turn("gpt"), turn()]), "[0].conversations[0].from", "expected human, found 'gpt'"),
    (llava(conversations=[turn(), turn()]), "[0].conversations[1].from", "expected gpt, found 'human'"),
    (llava(conversations=[turn("system"), turn("gpt")]), "[0].conversations[0].from", "expected human"),
    (llava(conversations=[{"from": "human"}, turn("gpt")]), "[0].conversations[0]", "key 'value' is missing"),
    (llava(conversations=[turn(), turn("gpt", " ")]), "[0].conversations[1].value", "found an empty one"),
    (
        llava(conversations=[turn(value="<video><video> What?"), turn("gpt")]),
        "[0].conversations",
        "expected 1 times",
    ),
    (
        llava(conversations=[turn(value="<image> <video> What?"), turn("gpt")]),
        "[0].conversations",
        "expected 0 times <image>, found 1",
    ),
    (
        [{"image": "p.png", "video_start": 1, "conversations": [turn(value="What?"), turn("gpt")]}],
        "[0]",
        "video_start and video_end go with videos",
    ),
    (llava(video_start="x"), "[0].video_start", "expected seconds"),
    (llava(video_start=3, video_end=1), "[0]", "video_end after video_start"),
    (llava(scenario=[1]), "[0].scenario", "expected a name or a number"),
    (llava(id={}), "[0].id", "expected a name or a number"),
    (llava(type=[3]), "[0].type", "expected a name or a number"),
]

HEAD = "video,question,a,b,answer\n"
MCQ = [
    ("", "", "expected a header"),
    ("question,a,b,answer\n", "line 1", "column 'video' is missing"),
    ("video,question,a,b,b,answer\n", "line 1", "column 'b' is there twice"),
    ("video,question,a,b,anser\n", "line 1.anser", "is 'answer' meant?"),
    (HEAD + "v.mp4,What?,x\n", "line 2", "expected 5 fields, found 3"),
    (HEAD + "v.mp4,What?,x,y,a,z\n", "line 2", "expected 5 fields, found 6"),
    (HEAD + 'v.mp4,"What?,x,y,a\n', "line 2", "not valid CSV"),
    (HEAD.encode() + b"v.mp4,\xe4,x,y,a\n", "line 2", "not UTF-8 text: \\xe4; save it as text: CSV UTF-8"),
    (HEAD + ",What?,x,y,a\n", "line 2", "key 'video' is missing"),
    (HEAD + "../v.mp4,What?,x,y,a\n", "line 2.video", "refused"),
    (HEAD + "v.mp4,,x,y,a\n", "line 2", "key 'question' is missing"),
    (HEAD + "v.mp4,What?,x,,a\n", "line 2.options", "expected two options or more"),
    (HEAD + "v.mp4,What?,x,x,a\n", "line 2.options", "the options A ('x') and B ('x') say the same"),
    (HEAD + "v.mp4,What?,x,y,\n", "line 2", "key 'answer' is missing"),
    (
        HEAD + "v.mp4,Why?,x,y,a\n" + "v.mp4,What?,x,y,c\n",
        "line 3.answer",
        "expected one of A, B or an option's words",
    ),
    ("video,question,options,answer\nv.mp4,What?,x,x\n", "line 2.options", "expected two options or more"),
    ("video,question,a,c,answer\nv.mp4,What?,x,y,a\n", "line 2.options", "expected the option B, found 'C'"),
    ("video,question,a,b,answer,start\nv.mp4,What?,x,y,a,now\n", "line 2.start", "expected seconds"),
    ("video,question,a,b,answer,start,end\nv.mp4,What?,x,y,a,4,3\n", "line 2", "expected end after start"),
]

BDD = [
    ([{"environment": [mcq()]}], "[0]", "key 'video_name' or 'videos'"),
    ([{"video_name": "../x.mp4", "environment": [mcq()]}], "[0].video_name[0]", "refused"),
    ([{"video_name": "x.mp4"}], "[0]", "key 'event_phase' is missing"),
]

TEST = [
    ([5], "[0]", "expected an object with videos and questions"),
    ([{"conversations": []}], "[0]", "key 'video_name' or 'videos'"),
    ([{"videos": ["v.mp4"]}], "[0].conversations", "expected a list of questions"),
    (
        [{"videos": ["v.mp4"], "conversations": [without(mcq(), "correct")]}],
        "[0].conversations[0]",
        "key 'id' is missing",
    ),
    (
        [{"videos": ["v.mp4"], "event_phase": [phase(end="0")]}],
        "[0].event_phase[0]",
        "end_time after start_time",
    ),
]


def cases():
    tables = {"environment": ENVIRONMENT, "overhead_view": PHASES, "caption": CAPTIONS, "llava": LLAVA}
    tables |= {"mcq": MCQ, "bdd": BDD, "test": TEST}
    for kind, table in tables.items():
        for number, case in enumerate(table):
            yield pytest.param(kind, *case, id=f"{kind}-{number}-{case[2][:30]}")


def test_there_are_enough_cases():
    assert len(list(cases())) >= 130


def source_of(kind: str, root, content):
    """(source, split, the malformed file) with one malformed file after a good one."""
    if kind in ("llava", "mcq"):
        file = write(root / ("a.csv" if kind == "mcq" else "a.json"), content)
        return (Llava if kind == "llava" else Mcq)({"train": str(file)}, str(root)), "train", file
    if kind == "test":
        file = write(root / "test.json", content)
        return WtsTest(str(root), str(file)), "test", file
    if kind == "bdd":
        file = write(root / "external/BDD_PC_5K/annotations/vqa/train/x.json", content)
        return Bdd(str(root)), "train", file
    scenario(root, "train", "s1")
    write(wts_file(root, "train", "s1", "caption"), [])
    return Wts(str(root), (kind, "environment")), "train", write(wts_file(root, "train", "s2", kind), content)


@pytest.mark.parametrize(("kind", "content", "path", "expected"), list(cases()))
def test_one_line_names_file_place_and_what_was_expected(kind, content, path, expected, tmp_path):
    source, split, file = source_of(kind, tmp_path, content)
    with pytest.raises(Malformed) as caught:
        convert([SplitJob(split, source, str(tmp_path / "out.json"))], Rules(check="none"), workers=1)
    assert caught.value.file == str(file)
    assert caught.value.path == path
    assert expected in caught.value.expected
    line = str(caught.value)
    assert line.startswith(f"{file}: {path}") and "\n" not in line
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(("content", "path", "expected"), [case for case in ENVIRONMENT if case[1]])
def test_skip_leaves_out_what_is_malformed_and_says_so(content, path, expected, tmp_path):
    source, split, file = source_of("environment", tmp_path, content)
    rules = Rules(check="none", on_bad_question="skip")
    report = convert([SplitJob(split, source, str(tmp_path / "out.json"))], rules, workers=1).report()
    left_out = report["splits"]["train"]["left_out"]["listed"]
    assert [(item["file"], item["path"]) for item in left_out] == [(str(file), path)]
    assert expected in left_out[0]["reason"]


def test_a_malformed_file_is_named_from_a_worker_too(tmp_path):
    source, split, file = source_of("environment", tmp_path, env(mcq(correct="x")))
    with pytest.raises(Malformed, match="correct: expected one of a, b"):
        convert([SplitJob(split, source, str(tmp_path / "out.json"))], Rules(check="none"), workers=2)
