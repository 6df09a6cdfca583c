"""What was answered before a kill is kept only for the same way of asking: settings, code and what the media hold."""

import ast
import shutil

import pytest

from roadtrain.data.strict_json import read_rows
from roadtrain.evaluate import asking_code, reply_key
from roadtrain.evaluate.evaluation import evaluate_checkpoint, evaluation_parser
from roadtrain.evaluate.replies import CannotAsk, Reply, ReplyStore
from roadtrain.files import read_json
from roadtrain.frames.cache import read_header
from roadtrain.frames.index import FrameIndex
from support.evaluation import prepare
from support.programs import ROOT
from support.run_toml import PROMPT

FILES = {"llava": "x.llava.json", "frames": "index.json", "checkpoint": "base.json", "predictions": "p.jsonl"}


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Three videos, the second of which can't be read."""
    return prepare(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def root(split, tmp_path):
    """A copy of it, whose index names the copy's frames."""
    root = tmp_path / "split"
    shutil.copytree(split, root)
    index = root / "index.json"
    index.write_text(index.read_text(encoding="utf-8").replace(str(split), str(root)), encoding="utf-8")
    return root


def arguments(root, **more):
    words = [word for name, file in FILES.items() for word in (f"--{name}", str(root / file))]
    args = evaluation_parser("").parse_args(
        [*words, "--source", str(root / "s.json"), f"--system-prompt={PROMPT}", "--threads", "1"]
    )
    vars(args).update({"gpus": 0} | more)
    return args


def asked_videos(root, die=False, engine="vllm-server", **more):
    """The videos that are asked about; `die` after the first one."""
    args, videos = arguments(root, **more), []

    def ask(_args, _manifest, _frames, clips):
        for clip, questions in clips.items():
            videos.append(clip.first.file)
            yield {question.id: Reply("A") for question in questions}
            if die:
                raise KeyboardInterrupt

    if die:
        with pytest.raises(KeyboardInterrupt):
            evaluate_checkpoint(args, engine, (), ask)
    else:
        evaluate_checkpoint(args, engine, (), ask)
    return videos


@pytest.mark.slow
def test_the_same_way_of_asking_goes_on(root, capfd):
    served = {"media": root / "media", "reader": "vllm"}
    assert asked_videos(root, die=True, **served) == ["v0.mp4"]
    assert asked_videos(root, **served) == ["v2.mp4"]
    assert "asked anew" not in capfd.readouterr().err and not (root / ".p.jsonl.finished").exists()


@pytest.mark.slow
def test_clips_that_another_reader_showed_are_asked_anew(root, capfd):
    """evaluate_served.py --reader: the source says whose frames were seen, and a kill mixes no two."""
    asked_videos(root, die=True, reader="vllm")
    assert asked_videos(root, reader="roadtrain") == ["v0.mp4", "v2.mp4"]
    assert read_json(root / "s.json")["reader"] == "roadtrain"
    assert f"{root}/p.jsonl: 2 replies of a killed run are of other settings: asked anew" in capfd.readouterr().err


@pytest.mark.slow
def test_a_video_that_was_replaced_is_asked_about_anew(root, capfd):
    """A server reads the videos themselves; the index may be of yesterday."""
    served = {"media": root / "media", "reader": "vllm"}
    asked_videos(root, die=True, **served)
    shutil.copy(root / "media/v2.mp4", root / "media/v0.mp4")
    assert asked_videos(root, **served) == ["v0.mp4", "v2.mp4"]
    assert "2 replies of a killed run are of other media: asked anew" in capfd.readouterr().err


@pytest.mark.slow
def test_frames_that_were_written_anew_are_asked_about_anew(root, capfd):
    """A mended reader writes other frames under the same name, and the index need not change."""
    asked_videos(root, die=True, engine="local")
    first, last = FrameIndex.load(root / "index.json").rows()
    assert read_header(first["file"])["sha256"] != read_header(last["file"])["sha256"]
    shutil.copy(last["file"], first["file"])
    assert asked_videos(root, engine="local") == ["v0.mp4", "v2.mp4"]
    assert "are of other media: asked anew" in capfd.readouterr().err


@pytest.mark.slow
def test_other_code_asks_anew(root, capfd, monkeypatch):
    asked_videos(root, die=True)
    monkeypatch.setattr(reply_key, "asking_code", lambda engine: f"another {engine}")
    assert asked_videos(root) == ["v0.mp4", "v2.mp4"]
    assert "are of other code: asked anew" in capfd.readouterr().err


@pytest.mark.parametrize("engine", asking_code.MODULES)
def test_code_is_other_code_where_prompts_or_replies_change(engine, tmp_path, monkeypatch):
    """Not for words, nor for who reads the replies afterwards."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__", "dev"))
    monkeypatch.setattr(asking_code, "_ROADTRAIN", tmp_path / "scripts/roadtrain")
    before = asking_code.asking_code(engine)

    def after(name, text):
        path = tmp_path / "scripts" / name
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
        return asking_code.asking_code(engine)

    for name in ("roadtrain/model/prompts.py", "roadtrain/data/answers.py", "roadtrain/evaluate/accuracy.py"):
        assert after(name, "\n# A comment.\n") == before
    assert after("roadtrain/data/answers.py", "\nMORE = 1\n") == before
    program, modules = asking_code.MODULES[engine]
    for name in (f"{program}.py", "roadtrain/model/prompts.py", f"roadtrain/{modules[0]}"):
        changed = after(name, "\nMORE = 1\n")
        assert changed != before
        before = changed


@pytest.mark.slow
@pytest.mark.parametrize("is_through", [False, True])
def test_the_job_of_a_killed_run_ends_where_another_has_begun(root, is_through):
    """It would write predictions of yesterday's settings over those of today's, or its replies among them."""
    today = {"system_prompt": "Today."}

    def asked_since(_args, _manifest, _frames, clips):
        for questions in clips.values():
            yield {question.id: Reply("B") for question in questions}
            asked_videos(root, die=not is_through, **today)

    with pytest.raises(ValueError, match="p.jsonl: another evaluation of it has begun since"):
        evaluate_checkpoint(arguments(root), "vllm-server", (), asked_since)
    assert asked_videos(root, **today) == (["v0.mp4", "v2.mp4"] if is_through else ["v2.mp4"])
    assert read_json(root / "s.json")["system_prompt"] == "Today."
    assert '"response": "B"' not in (root / "p.jsonl").read_text(encoding="utf-8")


def test_a_job_whose_last_video_is_asked_looks_once_more(tmp_path):
    store = ReplyStore(tmp_path / "p.jsonl", {"code": "1"})
    with store.open_file() as stream:
        assert stream.read().count("\n") == 1  # behind its first line: no reply yet
    newer = ReplyStore(tmp_path / "p.jsonl", {"code": "1"})
    store.remove()  # the newer one's file isn't its to remove
    with pytest.raises(ValueError, match="has begun since"), store.open_file():
        pass
    newer.add({"q": Reply("A")})
    assert ReplyStore(tmp_path / "p.jsonl", {"code": "1"}).replies == {"q": Reply("A")}


@pytest.mark.slow
def test_a_cpus_replies_are_not_kept_for_a_gpu(root, capfd):
    """Which computes in another type."""
    asked_videos(root, die=True, gpus=0)
    assert asked_videos(root, gpus=1) == ["v0.mp4", "v2.mp4"]
    assert "2 replies of a killed run are of other device: asked anew" in capfd.readouterr().err


@pytest.mark.slow
def test_a_clip_that_is_refused_now_keeps_no_reply_of_before(root):
    """As if there had been no kill: the source says that its questions are unanswered."""

    def half(_args, _manifest, _frames, clips):
        first, *_ = clips.values()
        yield {first[0].id: Reply("A")}
        raise KeyboardInterrupt

    def refused(_args, _manifest, _frames, clips):
        for number, questions in enumerate(clips.values()):
            yield {question.id: Reply("A") for question in questions} if number else CannotAsk("400 too long")

    with pytest.raises(KeyboardInterrupt):
        evaluate_checkpoint(arguments(root), "vllm-server", (), half)
    evaluate_checkpoint(arguments(root), "vllm-server", (), refused)
    responses = {row["id"]: row["response"] for _, row in read_rows(root / "p.jsonl")}
    assert responses == {"v0_0": None, "v0_1": None, "v1_0": None, "v1_1": None, "v2_0": "A", "v2_1": "A"}


# Of the rooms from annotation to frames: who writes conversations, or reads replies afterwards.
OTHERS = {
    *("data/answer*.py", "data/audit_json.py", "data/media_record.py", "data/provenance.py", "data/question_types.py"),
    *("data/strict_json.py", "data/sources/annotation_files.py", "data/sources/base.py", "data/sources/bdd.py"),
    "data/sources/checks.py",
}


@pytest.mark.parametrize("engine", asking_code.MODULES)
def test_no_module_between_conversations_and_replies_is_forgotten(engine):
    """What a program imports of these rooms is in the hash of its code, or is known to change no reply."""
    scripts = ROOT / "scripts"
    program, modules = asking_code.MODULES[engine]
    waiting, imported = [scripts / f"{program}.py", *(scripts / "roadtrain/evaluate/vllm/startup").glob("*.py")], set()
    while waiting:
        path = waiting.pop()
        if path not in imported:
            imported.add(path)
            waiting += imports_of(path, scripts)
    below = scripts / "roadtrain"
    hashed = {path for pattern in (*modules, *asking_code.BEHIND, *OTHERS) for path in below.glob(pattern)}
    rooms = {path for path in imported if path.relative_to(scripts).parts[1:2] in (("data",), ("frames",), ("model",))}
    assert {"llava.py", "option_lists.py", "index.py", "prompts.py"} <= {path.name for path in rooms}
    assert {str(path.relative_to(below)) for path in rooms - hashed} == set()


def imports_of(path, scripts):
    """The modules of this project that a file imports, anywhere in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("roadtrain"):
            module = scripts / node.module.replace(".", "/")
            found += [module.with_suffix(".py"), *(module / f"{alias.name}.py" for alias in node.names)]
    return [file for file in found if file.exists()]


def test_a_store_of_an_older_release_is_forgotten(tmp_path, capfd):
    """Its first line was one hash."""
    (tmp_path / ".p.jsonl.finished").write_text('0123abcd\n{"q": {"response": "A", "probabilities": null}}\n')
    assert ReplyStore(tmp_path / "p.jsonl", {"settings": "1", "code": "2"}).replies == {}
    assert "1 replies of a killed run are of other settings, code: asked anew" in capfd.readouterr().err
