"""Post-training a video-language model on traffic video: raw annotations to a deployable model and its paper."""

import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# The modules are plain Python: Snakemake stays out of them, and they load no torch here.
sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

import roadtrain.spec  # under its own name: `parse` would replace a function of Snakemake's
from roadtrain.paths import Paths

if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


SPEC_FILE = ", ".join(map(str, workflow.overwrite_configfiles)) or "config.yaml"
try:
    SPEC = roadtrain.spec.parse(config, SPEC_FILE)
except roadtrain.spec.SpecError as error:
    sys.exit(f"\n{error}")
RUN = Paths(SPEC.run)

# Programs run with the Python that runs Snakemake, unless the profile turns environments on (--sdm conda).
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
os.environ.setdefault("TQDM_MININTERVAL", "5")  # progress bars also go into log files


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/frames.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/submission.smk"
include: "rules/quantize.smk"
include: "rules/deploy.smk"
include: "rules/paper.smk"


onstart:
    replace_links(".snakemake/metadata")
    if SPEC.data.sample is None and not sources.input_files(SPEC.data) and not Path(RUN.audit).exists():
        if SPEC.data.source != "wts":
            sys.exit(
                f"\n{SPEC_FILE}: data.files.train: no file {SPEC.data.root}/{SPEC.data.files.train} (docs/own-data.md)"
            )
        sys.exit(
            f"\n{SPEC_FILE}: data.root: no annotations below {SPEC.data.root}. WTS is given out on request:"
            " https://github.com/woven-visionai/wts-dataset. Without it, run the sample:"
            " snakemake --cores all --configfile specs/sample.yaml"
        )


localrules:
    all,
    data,
    plan,
    train,
    evaluate,
    submission,
    quantize,
    deploy,
    paper,
    report,


rule all:
    """Every output of every rule: Snakemake overlooks a missing intermediate file otherwise."""
    default_target: True
    input:
        rules.data.input,
        rules.train.input,
        rules.evaluate.input,
        rules.submission.input if "test" in SPLITS else [],
        rules.quantize.input,
        rules.deploy.input,
        rules.paper.input,
        rules.report.input,
