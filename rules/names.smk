"""What the spec names (splits, ablations, vision settings, precisions), and files for each of them."""

import re

from roadtrain import paths

SPLITS = list(SPEC.data.splits)  # test where there is one


class Ablations(dict):
    """{name: ablation}; a file of an ablation that the spec doesn't have is a mistake in what was asked for."""

    def __missing__(self, name):
        raise ValueError(f"{SPEC_FILE}: ablations: there is no {name}")


ABLATIONS = Ablations({name: SPEC.ablation(name) for name in SPEC.trained()})
VISIONS = {ablation.vision.name: ablation.vision for ablation in ABLATIONS.values()}
PRECISIONS = SPEC.quantize.precisions
# How large the training sets are that are a share of all.
SHARES = sorted({RUN.training(a.train.share, a.train.seed, "json") for a in ABLATIONS.values() if a.train.share < 1})
BASELINES = [name for name in paths.BASELINES if name != paths.TEXT_ONLY or SPEC.evaluate.text_only]


wildcard_constraints:
    ablation=r"[A-Za-z0-9][A-Za-z0-9_.-]*",  # not the names: a thousand of them, tried at every file, took minutes
    vision="|".join(map(re.escape, VISIONS)),
    split="|".join(SPLITS),
    checkpoint=r"zero_shot|epoch_\d+|" + "|".join([*PRECISIONS, *BASELINES]),
    precision="|".join(PRECISIONS),
    shard=r"\d+",
    share=r"[0-9][0-9.e-]*",
    seed=r"\d+",


def epochs(ablation):
    """Checkpoints that training one ablation leaves: epoch_1, epoch_2, .."""
    return [f"epoch_{n}" for n in range(1, ABLATIONS[ablation].train.epochs + 1)]


def every(path, checkpoints):
    """One file for every ablation and every checkpoint that checkpoints(ablation) names."""
    return [path(ablation, checkpoint) for ablation in ABLATIONS for checkpoint in checkpoints(ablation)]


def of_epochs(path):
    """Input function, one file an epoch of the ablation; `path` is a method of Paths."""
    return lambda wildcards: [path(wildcards.ablation, epoch) for epoch in epochs(wildcards.ablation)]


def frames_of(split):
    """Input function, the frame index that an ablation reads."""
    return lambda wildcards: RUN.frames(ABLATIONS[wildcards.ablation].vision.name, split)


def training_of(wildcards):
    """Input function, the conversations that an ablation is trained on: all, or its `train.share`."""
    train = ABLATIONS[wildcards.ablation].train
    return RUN.training(train.share, train.seed)


def in_message(text):
    """Text of the spec as a part of a rule's message, in which Snakemake would take {x} for a variable."""
    return text.replace("{", "{{").replace("}", "}}")


def verbatim(value):
    """A parameter as the spec has it. Snakemake would take {x} in a plain text for a wildcard."""
    return lambda wildcards: value
