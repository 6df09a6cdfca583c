"""Post-training a video-language model on traffic video: raw annotations to a deployable model and its paper."""

import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# The modules are plain Python: Snakemake stays out of them, and they load no torch here.
sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from roadtrain.paths import Paths
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec

if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


SPEC_FILE = ", ".join(map(str, workflow.overwrite_configfiles)) or "config.yaml"
try:
    SPEC = read_spec(config, SPEC_FILE)
except SpecError as error:
    sys.exit(f"\n{error}")
RUN = Paths(SPEC.run)


include: "rules/names.smk"
include: "rules/staleness.smk"
include: "rules/resources.smk"
include: "rules/raw.smk"
include: "rules/inputs.smk"
include: "rules/start.smk"
include: "rules/data.smk"
include: "rules/frames.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/submission.smk"
include: "rules/quantize.smk"
include: "rules/deploy.smk"
include: "rules/paper.smk"


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
