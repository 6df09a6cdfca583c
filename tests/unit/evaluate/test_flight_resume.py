"""An evaluation with several clips in an engine is killed, again and again: it goes on, and its rows are those of one that was not."""

import json
import os
import signal
import time
import zlib

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.evaluate.evaluation import evaluate_checkpoint, evaluation_parser
from roadtrain.evaluate.replies import Reply
from roadtrain.evaluate.vllm.flight import InFlight
from roadtrain.files import write_json
from roadtrain.model.checkpoints import describe
from roadtrain.model.prefetch import Prefetched, Room
from support import tiny
from support.clips import decode, render

CLIPS, QUESTIONS, MOST = 8, 3, 3


class Engine:
    """Ends requests in another order than they came in. Dies at a step, with what it holds: as many clips as it may, since it
    waits for the next to be read, however busy the machine is."""

    def __init__(self, dies_at):
        self.dies_at, self.steps, self.requests, self.most_clips = dies_at, 0, {}, 0
        self.prepared = None

    def add(self, questions, name):
        names = [f"{name}.{question.id}" for question in questions]
        self.requests |= dict(zip(names, questions, strict=True))
        self.most_clips = max(self.most_clips, len({question.clip for question in self.requests.values()}))
        while not self.prepared.ready():
            time.sleep(0.001)
        return names

    def step(self):
        self.steps += 1
        if self.steps == self.dies_at:
            assert len({question.clip for question in self.requests.values()}) > 1
            os.kill(os.getpid(), signal.SIGKILL)
        ended = sorted(self.requests, key=lambda name: zlib.crc32(name.encode()))[:2]
        return {name: self.requests.pop(name).id for name in ended}

    def replies(self, questions, outputs):
        assert outputs == [question.id for question in questions]
        return {question.id: Reply("ABC"[zlib.crc32(question.id.encode()) % 3]) for question in questions}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("resume")
    values = []
    for n in range(CLIPS):
        render(root / f"media/v{n}.mp4", frames=4, seed=n)
        human = multiple_choice("What?", {"A": "one", "B": "two", "C": "three"})
        about = {"scenario": f"s{n}", "video": f"v{n}.mp4", "type": "t", "phase": "p", "human": human, "answer": "A"}
        values += [entry_json(id=f"v{n}_{k}", **about) for k in range(QUESTIONS)]
    write_entries(root / "x.llava.json", values)
    decode(root, {"nframes": 2, "min_pixels": 4096, "max_pixels": 8192})
    manifest = describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=0, step=0)
    write_json(root / "base.json", manifest | {"checkpoint": "base"})
    return root


def evaluate(root, name, dies_at=0):
    """(ids of the clips that were asked about, clips in the engine at most)."""
    words = {"checkpoint": root / "base.json", "llava": root / "x.llava.json", "frames": root / "index.json"}
    words |= {"system-prompt": "s", "predictions": root / f"{name}.jsonl", "source": root / f"{name}.source.json"}
    args = evaluation_parser("").parse_args([part for key, word in words.items() for part in (f"--{key}", str(word))])
    args.gpus = 0
    engine, videos = Engine(dies_at), []

    def ask_clips(args, manifest, frames, clips):
        items = list(clips.items())
        videos.extend(clip.first.file for clip in clips)
        with Prefetched(lambda item: item[1], items, 1, Room(100, lambda item: 10)) as prepared:
            engine.prepared = prepared
            yield from InFlight(engine, items, prepared, MOST).replies()

    evaluate_checkpoint(args, "vllm", ("torch",), ask_clips)
    return videos, engine.most_clips


def killed(root, name, dies_at):
    """The same in a process that dies there. Returns the ids of the questions that are finished."""
    pid = os.fork()
    if not pid:
        try:
            evaluate(root, name, dies_at)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    lines = (root / f".{name}.jsonl.finished").read_text().splitlines()[1:]
    return [id for line in lines for id in json.loads(line)]


def test_killed_with_clips_in_flight_it_asks_only_what_is_missing(root):
    videos, most_clips = evaluate(root, "whole")
    assert len(videos) == CLIPS and most_clips == MOST
    before = 0
    for dies_at in (6, 6):
        finished = killed(root, "again", dies_at)
        # 2 questions end a step: a kill costs what was in the engine then, and a clip that was not the next in order.
        assert before < len(finished) >= before + 2 * (dies_at - 1) - QUESTIONS * MOST
        assert len(finished) % QUESTIONS == 0 and len(set(finished)) == len(finished)
        before = len(finished)
    assert not (root / "again.jsonl").exists() and 0 < before < CLIPS * QUESTIONS
    videos, _ = evaluate(root, "again")
    assert len(videos) == CLIPS - before // QUESTIONS
    assert (root / "again.jsonl").read_bytes() == (root / "whole.jsonl").read_bytes()
    assert (root / "again.source.json").read_bytes() == (root / "whole.source.json").read_bytes()
    assert not (root / ".again.jsonl.finished").exists()


def test_a_clip_that_is_finished_keeps_the_reply_of_the_killed_run(root):
    """And half a line, which a kill leaves, counts as nothing."""
    finished = killed(root, "marked", 8)
    store = root / ".marked.jsonl.finished"
    lines = store.read_text().splitlines()
    first = json.loads(lines[2])  # after the key and what was finished before: nothing
    first[finished[0]]["response"] = "as the killed run said"
    store.write_text("\n".join([*lines[:2], json.dumps(first), *lines[3:-1], lines[-1][:-9]]))
    videos, _ = evaluate(root, "marked")
    rows = [json.loads(line) for line in (root / "marked.jsonl").read_text().splitlines()]
    assert rows[0]["response"] == "as the killed run said" and len(rows) == CLIPS * QUESTIONS
    assert len(videos) == CLIPS - (len(lines) - 3) and all(row["response"] for row in rows)
