"""`cluster`: what jobs ask a scheduler for. Apart from the other sections: changing it makes nothing again."""

from typing import Annotated

from pydantic import Field

from roadtrain.spec.section import Integer, Line, Number, Section

# GPUs of one node that an engine can use: cosmos-rl's launcher asserts it (0.4.7, launcher/utility.py, NodesManager).
GPUS_OF_A_NODE = {"local": range(9), "cosmos-rl": (1, 2, 4, 8)}


class JobResources(Section):
    """What one job of a stage asks for. Its GPUs are `gpus` of the stage's own section."""

    partition: Line | None = Field(None, description="Slurm's partition; none: the profile's `slurm_partition`")
    cpus: Annotated[Integer, Field(ge=1, le=10_000)] | None = Field(
        None, description="cores; none: all that Snakemake has, on a cluster 8"
    )
    memory_gb: Annotated[Number, Field(ge=0.1, le=100_000)] | None = Field(
        None,
        description="at the first attempt; the second gets twice as much, the third three times. None: 4, and 32 more a GPU",
    )
    hours: Annotated[Number, Field(ge=0.01, le=8760)] | None = Field(
        None, description="the time limit; a job that it ended goes on where it was. None: 24 to train, else 4"
    )


class TrainResources(JobResources):
    """Training may be one job of several nodes."""

    nodes: Annotated[Integer, Field(ge=1, le=1024)] = Field(
        1,
        description="Slurm's nodes of a training job, which share out `train.gpus`; cpus and memory are a node's. Without"
        " Slurm a job has one machine",
    )
    network_gbit: Annotated[Number, Field(ge=0.01, le=1e6)] | None = Field(
        None,
        description="what a node can send to the others, in Gbit/s: the plan reckons with it, nothing else does."
        " None: the plan says how much is sent, and not how long that takes",
    )


class Cluster(Section):
    """What jobs ask a scheduler for (profiles/slurm, Kubernetes). Conversion, scores, tables and so on ask for little."""

    train: TrainResources = TrainResources()
    evaluate: JobResources = JobResources()
    quantize: JobResources = JobResources()


def nodes_fault(engine: str, gpus: int, nodes: int) -> str | None:
    """Why an engine can't train on so many GPUs of so many nodes together; None when it can."""
    if gpus % nodes:
        return f"cluster.train.nodes: {nodes} can't share out train.gpus: {gpus} evenly"
    if gpus // nodes in GPUS_OF_A_NODE[engine]:
        return None
    takes = "1, 2, 4 or 8" if engine == "cosmos-rl" else "at most 8"
    return f"train.gpus: {gpus} on cluster.train.nodes: {nodes}: engine: {engine} takes {takes} of a node"
