"""Before the first job: which programs are found, who is at work in this folder, whether there are data. After the last:
what came out.
"""

import contextlib
import os
import shutil
import sys
import time
from pathlib import Path

from roadtrain import locks, processes
from roadtrain.cli import UserError
from roadtrain.files import replace_links
from roadtrain.train.preflight.absent import absent, absent_tables
from roadtrain.train.preflight.ready import lost_frames, lost_weights, remove_leftovers, seconds_ahead

# Programs run with the Python that runs Snakemake, unless the profile turns environments on (--sdm conda).
PROGRAMS = [Path(sys.executable).parent]
if workflow.is_main_process and workflow.resource_settings.nodes is not None and shutil.which("sacct"):
    # What submits to Slurm misreads the cluster's own: it would wait for ever for a cancelled job.
    PROGRAMS.insert(0, Path(workflow.basedir, "profiles/slurm/bin"))
os.environ.update(PATH=os.pathsep.join([*map(str, PROGRAMS), os.environ.get("PATH", "")]))
os.environ.setdefault("TQDM_MININTERVAL", "5")  # progress bars also go into log files
# Threads of a job sleep while they wait for each other: on cores that others use, too, spinning took three to eight times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Jobs that are Snakemakes themselves (a cluster's) belong to one that is alive already.
ALIVE = locks.hold_snakemake() if workflow.is_main_process else None

# A spec is checked by a dry run, which runs no onstart. Raw data may be elsewhere once conversations were made from them.
if workflow.is_main_process:
    for absence in absent(SPEC, converted=Path(RUN.audit).exists()):
        print(f"{SPEC_FILE}: {absence}", file=sys.stderr)

# Rules whose jobs read the weights that a manifest among these inputs describes, and the frames of an index; training
# reads frames, too. Others read the index alone.
READS_WEIGHTS = (
    "evaluate_checkpoint",
    "evaluate_shard",
    "ask_test",
    "quantize_checkpoint",
    "answer_open_questions",
    "ask_served",
)
MANIFESTS = ("checkpoint", "best", "zero_shot", "quantized")


def check_ready(jobs):
    """Stop before the first job where one would miss weights or frames, or have its outputs deleted by Snakemake."""
    made = {str(file) for job in jobs for file in job.output}
    readers = [job for job in jobs if job.rule.name in READS_WEIGHTS]
    trainings = [job for job in jobs if job.rule.name.startswith("train_")]
    problems = [
        *lost_weights(named_inputs(readers, *MANIFESTS), made),
        *lost_frames(named_inputs([*readers, *trainings], "frames"), made),
    ]
    if any(job.rule.name == "convert_annotations" for job in jobs) and Path(RUN.audit).exists():
        # It would fail, and Snakemake delete the conversations that are there.
        problems += [f"{SPEC_FILE}: {absence}" for absence in absent_tables(SPEC)]
    if problems:
        sys.exit("\n" + "\n".join(problems))
    try:
        ahead, file = seconds_ahead(
            (str(file) for job in jobs for file in job.input if str(file) not in made), "results"
        )
    except UserError as error:
        sys.exit(f"\n{error}")
    if ahead:
        print(f"{file}: dated {ahead:.0f} s ahead of the clock: waiting until it isn't", file=sys.stderr, flush=True)
        time.sleep(ahead)


def named_inputs(jobs, *names):
    """The files of the jobs' inputs with these names."""
    given = [files for job in jobs for name, files in job.input.items() if name in names]
    return [str(file) for files in given for file in ([files] if isinstance(files, str) else files)]


onstart:
    # Snakemake's handler (9.27) takes a lock that its main thread holds while it looks at a finished job's files.
    processes.terminate_in_thread()
    replace_links(".snakemake/metadata")
    remove_leftovers(RUN.results())
    if SPEC.data.sample is not None:  # other raw data are not ours to clean
        remove_leftovers(SPEC.data.root)
    check_ready(list(workflow.dag.needrun_jobs()))
    if SPEC.data.sample is None and not annotation_files() and not Path(RUN.audit).exists():
        if SPEC.data.files.train is not None:
            sys.exit(
                f"\n{SPEC_FILE}: data.files.train: no file {SPEC.data.root}/{SPEC.data.files.train} (docs/own-data.md)"
            )
        if SPEC.data.source != "wts":
            sys.exit(
                f"\n{SPEC_FILE}: data.root: no annotations below {SPEC.data.root} (docs/tar.md, docs/ai-city.md)"
            )
        sys.exit(
            f"\n{SPEC_FILE}: data.root: no annotations below {SPEC.data.root}. WTS is given out on request:"
            " https://github.com/woven-visionai/wts-dataset. Without it, run the sample:"
            " snakemake --cores all --configfile specs/sample.yaml"
        )


onsuccess:
    if workflow.is_main_process:
        from roadtrain.results.ending import closing_lines

        with contextlib.suppress(
            OSError, ValueError, KeyError
        ):  # results of an older release: the run went well all the same
            print("", *closing_lines(RUN.spec), sep="\n", file=sys.stderr)
