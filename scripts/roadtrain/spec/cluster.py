"""`cluster`: what jobs ask a scheduler for. Apart from the other sections: changing it makes nothing again."""

from typing import Annotated

from pydantic import Field

from roadtrain.spec.section import Integer, Line, Number, Section


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


class Cluster(Section):
    """What jobs ask a scheduler for (profiles/slurm, Kubernetes). Conversion, scores, tables and so on ask for little."""

    train: TrainResources = TrainResources()
    evaluate: JobResources = JobResources()
    quantize: JobResources = JobResources()
