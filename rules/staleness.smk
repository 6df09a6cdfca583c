"""What makes a result stale, written once.

A result is stale when what it is computed from changed: its inputs' content, its section of the spec, its program and
the modules of its own room that define the result. Comments, docstrings, logs and other rooms make nothing stale.
Training is stale only by data, frames, TOML and base model: new code must not train again, so neither the trainers nor
preflight, which stands before them, have an entry here.

Inputs are compared by content (profiles/default). The part of a section that defines the result and the hash of the code
are parameters of the rule: Snakemake runs a job again when its parameters changed.
"""

import contextlib
from functools import cache
from pathlib import Path

from roadtrain import files
from roadtrain.evaluate.asking_code import LOCAL, MODULES
from roadtrain.files import read_json, sha256_code, sha256_file, sha256_json, write_json

# Who reads predictions reads the responses in them anew. That takes seconds, and a gate or a comparison that read them
# otherwise than the accuracy beside it would contradict it: so the reader counts for all of them, whatever their room.
READING = ["data/answer*.py", *(f"evaluate/{name}.py" for name in ("bounds", "predictions", "statistics"))]
CAPTIONS = ["evaluate/caption*.py", "evaluate/wordnet.py"]
SCORING = [
    *READING,
    *CAPTIONS,
    *(f"evaluate/{name}.py" for name in ("accuracy", "answers", "calibration", "cameras", "graded", "submission")),
]
# Conversion refuses an answer that it can't read; another reader writes no other conversations, and must ask nothing again.
CONVERTING = ["data/[!a]*.py", "data/audit*.py", "data/sources/*.py"]
PAPER = ["paper/*.py", "paper/tables/*.py"]
# Program: the modules below scripts/roadtrain that define its results with it.
CODE = {
    "make_sample": ["sample/*.py"],
    "convert_annotations": CONVERTING,
    "write_spec": [f"spec/{name}.py" for name in ("spec", "repeat", "vision", "resolved")],
    "decode_frames": ["frames/[!f]*.py"],  # features.py is beside them: vision features are found by their content
    "describe_base": ["model/checkpoints.py"],
    "take_share": ["data/compact.py", "train/share.py"],
    "render_toml": [],
    "export_logs": ["results/log_export.py"],
    **dict(MODULES.values()),  # of the programs that ask: evaluate_local, evaluate_vllm, evaluate_served
    "answer_by_majority": ["data/answer*.py", "evaluate/majority.py", "evaluate/predictions.py"],
    "merge_predictions": ["evaluate/evaluation.py", "evaluate/predictions.py", "evaluate/shards.py"],
    "score": SCORING,
    "select_best": ["evaluate/best.py"],
    "make_submission": [
        "evaluate/merged_cameras.py",
        "evaluate/submission.py",
        "evaluate/submitted_captions.py",
        "evaluate/tar_submission.py",
        *READING,
        *CAPTIONS,
        "data/sources/wts_test.py",
        "data/sources/wts_test_captions.py",
    ],
    "quantize": [
        "model/rope_names.py",
        *(f"quantize/{name}.py" for name in ("calibration_data", "checkpoint", "recipe")),
    ],
    "gate": [*(f"quantize/{name}.py" for name in ("caption_gate", "gate", "served_answers")), *READING, *CAPTIONS],
    "answer_open_questions": ["evaluate/asking.py", "evaluate/open_questions.py", *LOCAL],
    "render_deploy": [
        *(f"deploy/{name}.py" for name in ("addresses", "contents", "manifests", "quoting", "server_words")),
        "evaluate/vllm/options.py",
    ],
    "write_cards": ["results/card*.py"],
    "compare": [
        *(f"results/{name}.py" for name in ("caption_comparisons", "comparisons", "repeats", "words")),
        *READING,
        *CAPTIONS,
    ],
    "make_tables": PAPER,
    "make_figures": PAPER,
    "make_paper": PAPER,
    "make_report": [*PAPER, *READING],
    "make_metrics": ["results/metrics.py"],
}


def code_of(program):
    """The parameter `code` of a rule: what changes with the code of its program that defines the result."""
    return lambda wildcards: _code(program)


@cache
def _code(program):
    scripts = Path(workflow.basedir) / "scripts"
    return sha256_json({path.relative_to(scripts).as_posix(): _hashes()[path] for path in _files(program)})[:16]


@cache
def _files(program):
    scripts = Path(workflow.basedir) / "scripts"
    modules = sorted(path for pattern in CODE[program] for path in (scripts / "roadtrain").glob(pattern))
    return [scripts / f"{program}.py", *modules]


@cache
def _hashes():
    """{file: hash of its code} of the whole table. Parsing a hundred files takes 0.5 s of a plan, reading them nothing:
    what was worked out is kept, by the hash of the file's bytes.
    """
    kept = Path(".snakemake/code_hashes.json")
    known = {}
    with contextlib.suppress(OSError, ValueError):  # none yet, or not whole
        known = read_json(kept)
    method = sha256_file(files.__file__)[:16]  # code hashed in another way has other hashes
    keys = {path: f"{method}:{sha256_file(path)}" for program in CODE for path in _files(program)}
    hashes = {key: known.get(key) or sha256_code(path) for path, key in keys.items()}
    if hashes != known:
        with contextlib.suppress(OSError):  # a folder that can't be written: then every plan takes its time
            write_json(kept, hashes)
    return {path: hashes[key] for path, key in keys.items()}
