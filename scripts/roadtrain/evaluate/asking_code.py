"""The code that asks: which modules define what a checkpoint replies, engine by engine.

Finished predictions are stale when a module of MODULES changed (rules/staleness.smk); other rooms make nothing stale. What a
killed evaluation left is half of a result, and the other half is made by the code of today: replies are kept only where all of
it is the same, BEHIND too, or two versions of a prompt would stand in one file.
"""

from pathlib import Path

from roadtrain.files import sha256_code, sha256_json

_SHARED = [f"evaluate/{name}.py" for name in ("evaluation", "predictions", "replies", "wording")]
LOCAL = [f"evaluate/{name}.py" for name in ("decoding", "generation", "local")]
# Engine: (its program, the modules below scripts/roadtrain that define its replies with it).
MODULES = {
    "local": ("evaluate_local", [*_SHARED, *LOCAL]),
    "vllm": ("evaluate_vllm", [*_SHARED, "evaluate/vllm/*.py"]),
    "vllm-server": (
        "evaluate_served",
        [
            *_SHARED,
            "evaluate/failed_questions.py",
            *(
                f"deploy/{name}.py"
                for name in ("client", "messages", "sent_video", "served", "server_words", "serving")
            ),
            "evaluate/vllm/options.py",
        ],
    ),
}
# From the conversations and the videos to the model's input and its numbers; which questions are captions.
BEHIND = [
    *(f"data/{name}.py" for name in ("llava", "option_lists", "question", "sources/records")),
    *("evaluate/vllm/startup/*.py", "frames/*.py", "media.py", "model/*.py"),  # a server's reader is of frames/, too
]
_ROADTRAIN = Path(__file__).parents[1]


def asking_code(engine: str) -> str:
    """A hash of all code that defines the replies of an engine."""
    program, modules = MODULES[engine]
    paths = {path for pattern in (*modules, *BEHIND) for path in _ROADTRAIN.glob(pattern)}
    files = [_ROADTRAIN.with_name(f"{program}.py"), *sorted(paths)]
    return sha256_json({path.relative_to(_ROADTRAIN.parent).as_posix(): sha256_code(path) for path in files})
