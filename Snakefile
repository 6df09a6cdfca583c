"""Post-training a video-language model on traffic video: raw annotations to a deployable model and its paper."""

import gc
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# A plan makes millions of objects and hardly a cycle of them. Python looks through all of them for cycles again and again,
# which was a fifth of the time; less often it finds as many.
gc.set_threshold(100_000, 50, 1_000)

# The modules are plain Python: Snakemake stays out of them, and they load no torch here.
sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from roadtrain.paths import Paths
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from roadtrain.spec.yaml_text import spec_values

# Snakemake's own reading guesses types and takes the last of two equal keys: the files are read again, as they are written.
SPEC_FILES = [str(file) for file in workflow.overwrite_configfiles] or ["config.yaml"]
SPEC_FILE = ", ".join(SPEC_FILES)
try:
    SPEC = read_spec(spec_values(SPEC_FILES, workflow.config_settings.config_args or []), SPEC_FILE)
except SpecError as error:
    sys.exit(f"\n{error}")

if not workflow.overwrite_configfiles:

    configfile: "config.yaml"  # what Snakemake sends along to a job elsewhere


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
    write_spec,  # in a second: it must not wait in a queue
    all,
    data,
    plan,
    train,
    evaluate,
    submission,
    quantize,
    cards,
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
        rules.cards.input,
        rules.deploy.input,
        rules.paper.input,
        rules.report.input,
    message:
        "Everything is there"
