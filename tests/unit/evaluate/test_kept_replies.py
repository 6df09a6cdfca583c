"""What was answered before a kill is kept only for the same way of asking."""

import pytest

from roadtrain.evaluate.evaluation import evaluate_checkpoint, evaluation_parser
from roadtrain.evaluate.replies import Reply
from roadtrain.files import read_json
from support.evaluation import prepare
from support.run_toml import PROMPT


@pytest.mark.slow
def test_clips_that_another_reader_showed_are_asked_anew(tmp_path):
    """evaluate_served.py --reader: the source says whose frames were seen, and a kill mixes no two."""
    prepare(tmp_path)
    files = {"llava": "x.llava.json", "frames": "index.json", "checkpoint": "base.json", "predictions": "p.jsonl"}
    words = [word for name, file in files.items() for word in (f"--{name}", str(tmp_path / file))]
    args = evaluation_parser("").parse_args(
        [*words, "--source", str(tmp_path / "s.json"), f"--system-prompt={PROMPT}", "--threads", "1"]
    )
    videos = []

    def ask(_args, _manifest, _frames, clips, whole=True):
        for clip, questions in clips.items():
            videos.append(clip.first.file)
            yield {question.id: Reply("A") for question in questions}
            if not whole:
                raise KeyboardInterrupt

    args.reader = "vllm"
    with pytest.raises(KeyboardInterrupt):
        evaluate_checkpoint(args, "vllm-server", (), lambda *parts: ask(*parts, whole=False))
    args.reader = "roadtrain"
    evaluate_checkpoint(args, "vllm-server", (), ask)
    assert videos == ["v0.mp4", "v0.mp4", "v2.mp4"] and read_json(tmp_path / "s.json")["reader"] == "roadtrain"
