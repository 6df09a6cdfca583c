"""data.views: the cameras of a scenario in one prompt, each question once; or about each camera, as ever."""

import json

import pytest

from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.llava import read_questions
from roadtrain.data.sources import catalog
from roadtrain.spec.data import Data
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from support.annotations import environment, mcq, phase, scenario, video, write
from support.conversion import convert_tree

NAME = "20230707_12_SN17_T1"
FIRST, SECOND = (f"{NAME}/overhead_view/{NAME}_Camera{n + 1}_{n}.mp4" for n in range(2))


@pytest.fixture
def root(tmp_path):
    """A scenario of two cameras, with questions about all of it and about a phase, and one about the vehicle's view."""
    root = tmp_path / "data"
    scenario(root, "train", NAME, cameras=2, rows=[mcq(), mcq("Is the road wet?", ("Yes", "No"))])
    videos = [f"{NAME}_Camera{n + 1}_{n}.mp4" for n in range(2)]
    for view, record in (
        ("overhead_view", {"id": 7, "overhead_videos": videos, "event_phase": [phase()]}),
        ("vehicle_view", {"id": 7, "vehicle_view": f"{NAME}_vehicle_view.mp4", "event_phase": [phase()]}),
    ):
        write(root / f"annotations/vqa/train/{NAME}/{view}/{NAME}.json", [record])
    return root


TASKS = ("environment", "overhead_view", "vehicle_view")


def converted(root, views, **more):
    entries, audit = convert_tree(root, root.parent, views=views, tasks=TASKS, **more)
    return list(read_questions(root.parent / "train.json")), entries, audit["splits"]["train"]


def test_a_question_is_asked_once_about_all_cameras(root):
    questions, entries, audit = converted(root, "together")
    assert [[medium.file for medium in q.clip.media] for q in questions] == [[FIRST, SECOND]] * 3 + [
        [f"{NAME}/vehicle_view/{NAME}_vehicle_view.mp4"]
    ]
    assert [q.text for q in questions[:2]] == ["What is the weather?", "Is the road wet?"]
    assert all(q.clip == questions[0].clip for q in questions[:2]), "one sequence for all questions about it"
    assert (questions[2].clip.media[1].start, questions[2].clip.media[1].end) == (0.0, 2.0)
    assert entries[0]["conversations"][0]["value"].startswith("<video><video> \n What is the weather?")
    assert (audit["questions"], audit["tasks"]["environment"]["videos"], audit["sets"]["WTS"]["media"]) == (4, 2, 3)


def test_the_words_are_those_of_each_camera(root):
    """The two settings differ in what is shown and in nothing else."""
    each, _, _ = converted(root, "each")
    together, _, _ = converted(root, "together")
    first = {q.id: q for q in each}
    assert len(each) == 7 and [q.id for q in together] == [q.id for q in each if q.video != SECOND]
    for q in together:
        other = first[q.id]
        assert (q.text, q.prompt, q.options, q.answer, q.group, q.phase) == (
            *(other.text, other.prompt, other.options, other.answer, other.group, other.phase),
        )


def test_each_is_what_it_was(root):
    default, _ = convert_tree(root, root.parent, tasks=TASKS)
    before = (root.parent / "train.json").read_bytes()
    converted(root, "each")
    assert (root.parent / "train.json").read_bytes() == before and len(default) == 7
    assert "views" not in Data().conversion() and '"views":"together"' in Data(views="together").conversion()


def test_a_camera_that_can_not_be_read_is_left_away(root):
    for n, name in enumerate((FIRST, SECOND)):
        video(root / f"videos/train/{name}", frames=30, shade=40 * n)
    video(root / f"videos/train/{NAME}/vehicle_view/{NAME}_vehicle_view.mp4", frames=30, shade=90)
    (root / f"videos/train/{FIRST}").write_bytes(b"broken")
    questions, _, audit = converted(root, "together", rules=Rules(max_bad_fraction=1))
    assert [[medium.file for medium in q.clip.media] for q in questions[:3]] == [[SECOND]] * 3
    assert audit["questions"] == 4 and audit["left_out"]["total"] == 0, "no question is lost"
    reasons = {item["reason"] for item in audit["left_out"]["listed"]}
    assert len(reasons) == 1 and "the questions are asked about the other cameras" in reasons.pop()
    (root / f"videos/train/{SECOND}").unlink()
    questions, _, audit = converted(root, "together", rules=Rules(max_bad_fraction=1))
    assert len(questions) == 1 and audit["left_out"]["total"] == 3


def test_a_placeholder_in_the_words_is_refused(tmp_path):
    root = tmp_path / "data"
    write(
        root / f"annotations/vqa/train/{NAME}/environment/{NAME}.json",
        environment(NAME, [mcq("Is it <video> or audio?"), mcq()], cameras=2),
    )
    with pytest.raises(
        ValueError, match=r"environment\[0\]: <video> stands in the question, which is asked about several"
    ):
        convert_tree(root, tmp_path, views="together")
    entries, _ = convert_tree(root, tmp_path, views="together", rules=Rules(check="none", on_bad_question="skip"))
    assert [entry["question"] for entry in entries] == ["What is the weather?"]
    assert len(convert_tree(root, tmp_path)[0]) == 4, "about each camera it is text"


def test_the_public_test_is_asked_alike(tmp_path):
    """A submission needs one letter a question: it is the question's own id, and no camera votes."""
    root = tmp_path / "data"
    names = [f"{NAME}_Camera{n + 1}_{n}.mp4" for n in range(2)]
    for n, name in enumerate(names):
        video(root / f"videos/test/public/{NAME}/overhead_view/{name}", shade=50 * n)
    row = mcq() | {"id": "q-1"}
    del row["correct"]
    write(root / "test.json", [{"videos": names, "conversations": [row]}])
    for views, ids in (("together", ["q-1"]), ("each", [f"q-1@{name.removesuffix('.mp4')}" for name in names])):
        section = Data(root=str(root), views=views, files={"test": "test.json"})
        source = catalog.open_source(section, "test")
        convert([SplitJob("test", source, str(tmp_path / "test.json"))], Rules(), 1)
        assert [q.id for q in read_questions(tmp_path / "test.json")] == ids
        assert list(catalog.finder(section, "test")()) == sorted(names)
    assert json.loads((tmp_path / "test.json").read_text())[0]["question_id"] == "q-1"


def test_other_sources_have_no_views():
    spec = {"data": {"source": "mcq", "root": "d", "files": {"train": "a.csv", "val": "b.csv"}, "views": "together"}}
    with pytest.raises(SpecError, match="views goes with the sources wts and synwts, not with mcq"):
        read_spec(spec | {"ablations": {"a": {"vision": {"nframes": 8}}}}, "s")
