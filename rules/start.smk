"""Before the first job: which programs are found, who is at work in this folder, whether there are data. After the last:
what came out.
"""

import contextlib
import os
import sys
from pathlib import Path

from roadtrain import locks, processes
from roadtrain.files import replace_links
from roadtrain.train.preflight.absent import absent

# Programs run with the Python that runs Snakemake, unless the profile turns environments on (--sdm conda).
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
os.environ.setdefault("TQDM_MININTERVAL", "5")  # progress bars also go into log files
# Jobs that are Snakemakes themselves (a cluster's) belong to one that is alive already.
ALIVE = locks.hold_snakemake() if workflow.is_main_process else None

# A spec is checked by a dry run, which runs no onstart. Raw data may be elsewhere once conversations were made from them.
if workflow.is_main_process:
    for absence in absent(SPEC, data=not Path(RUN.audit).exists()):
        print(f"{SPEC_FILE}: {absence}", file=sys.stderr)


onstart:
    # Snakemake's handler (9.27) takes a lock that its main thread holds while it looks at a finished job's files.
    processes.terminate_in_thread()
    replace_links(".snakemake/metadata")
    if SPEC.data.sample is None and not annotation_files() and not Path(RUN.audit).exists():
        if SPEC.data.source != "wts":
            sys.exit(
                f"\n{SPEC_FILE}: data.files.train: no file {SPEC.data.root}/{SPEC.data.files.train} (docs/own-data.md)"
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
