"""Another format is one small class (docs/own-data.md): this one reads lines `video: question? yes`."""

import inspect
import json
from dataclasses import dataclass

import pytest

from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.llava import multiple_choice, read_questions
from roadtrain.data.sources.base import Block, Content, Draft, Exchange, Malformed, Source, Unit, relative_path
from roadtrain.media import Medium
from support.annotations import video, write


@dataclass(frozen=True)
class YesNo:
    root: str
    rows = True

    def tasks(self, split):
        return ["yes-no"]

    def media_root(self, split):
        return self.root

    def input_files(self, split):
        return [f"{self.root}/{split}.txt"]

    def units(self, split):
        with open(*self.input_files(split)) as lines:
            for number, line in enumerate(lines, start=1):
                yield Unit("", split, (f"line {number}", line.strip()))

    def blocks(self, unit):
        (file,), (place, line) = self.input_files(unit.split), unit.where
        try:
            name, question, answer = line.replace("?", "?:").split(":")
            name, letter = relative_path(name, file, place), {"yes": "A", "no": "B"}[answer.strip()]
        except Malformed as problem:
            yield problem
        except (ValueError, KeyError):
            yield Malformed(file, place, f"expected video: question? yes or no, found {line!r}")
        else:
            text, options = question.strip(), {"A": "Yes", "B": "No"}
            content = Content([Exchange(multiple_choice(text, options), letter, text, options)], answer.strip())
            drafts = [Draft(0, content, place)]
            yield Block(
                file=file,
                path=place,
                scenario=name,
                task="yes-no",
                phase="full_video",
                media=[Medium(name)],
                questions=drafts,
                together=True,
            )


@pytest.fixture
def root(tmp_path):
    video(tmp_path / "a.mp4")
    video(tmp_path / "b.mp4", shade=90)
    write(
        tmp_path / "train.txt",
        "a.mp4: Is it wet? yes\nb.mp4: Is it wet? no\na.mp4: Is it dark? no\nc.mp4: Is it dark? no\n",
    )
    return tmp_path


def test_it_is_small_and_has_the_interfaces_methods():
    assert len(inspect.getsource(YesNo).splitlines()) < 50
    methods = {name for name, value in vars(Source).items() if callable(value) and not name.startswith("_")}
    assert methods == {name for name, value in vars(YesNo).items() if callable(value) and not name.startswith("_")}


@pytest.mark.parametrize("workers", [1, 2])
def test_probing_ids_audit_and_writing_come_with_it(root, workers):
    report = convert(
        [SplitJob("train", YesNo(str(root)), str(root / "o.json"))], Rules(max_bad_fraction=0.5), workers
    ).report()
    assert [(e.id, e.video, e.text, e.answer) for e in read_questions(root / "o.json")] == [
        ("line 1", "a.mp4", "Is it wet?", "A"),
        ("line 2", "b.mp4", "Is it wet?", "B"),
        ("line 3", "a.mp4", "Is it dark?", "B"),
    ]
    part = report["splits"]["train"]
    assert part["videos"]["good"] == 2 and part["tasks"]["yes-no"]["letters"] == {"A": 1, "B": 2}
    assert [(item["path"], item["reason"]) for item in part["left_out"]["listed"]] == [
        ("line 4", "c.mp4: no such file")
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("../a.mp4: Is it wet? yes", "line 5: '../a.mp4' leads outside the media folder: refused"),
        ("a.mp4: Is it wet? perhaps", "line 5: expected video: question? yes or no"),
    ],
)
def test_its_mistakes_are_one_line(root, line, says):
    write(root / "train.txt", (root / "train.txt").read_text() + line + "\n")
    with pytest.raises(Malformed) as caught:
        convert([SplitJob("train", YesNo(str(root)), str(root / "o.json"))], Rules(), 1)
    assert str(caught.value).startswith(f"{root}/train.txt: {says}") and not (root / "o.json").exists()
    report = convert(
        [SplitJob("train", YesNo(str(root)), str(root / "o.json"))],
        Rules(max_bad_fraction=1, on_bad_question="skip"),
        1,
    ).report()
    assert json.dumps(says.partition(": ")[2])[1:-1] in json.dumps(report["splits"]["train"]["left_out"])


def test_links_that_lead_out_of_the_folder_are_refused_unless_they_are_to_be_followed(root):
    """Whoever keeps videos on another disk, or under DVC, has such links, and says so: data.media_links: follow."""
    elsewhere = root.parent / f"{root.name}-elsewhere"
    elsewhere.mkdir()
    (root / "b.mp4").rename(elsewhere / "b.mp4")
    (root / "b.mp4").symlink_to(elsewhere / "b.mp4")
    (root / "c.mp4").symlink_to(elsewhere / "nothing.mp4")
    jobs, kinds = [SplitJob("train", YesNo(str(root)), str(root / "o.json"))], {}
    for follow in (True, False):
        audit = convert(jobs, Rules(max_bad_fraction=0.7, follow_links=follow), 1)
        part = audit.report()["splits"]["train"]
        kinds[follow] = (part["videos"]["good"], part["bad_videos"]["kinds"], audit.splits["train"].media["b.mp4"])
    assert kinds[True][:2] == (2, {"missing": 1}) and kinds[True][2]
    assert kinds[False] == (1, {"refused": 2}, None)  # not read, not even for its print
    assert "data.media_links: follow takes it" in part["bad_videos"]["listed"][0]["reason"]
