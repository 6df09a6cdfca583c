"""What jobs ask for: GPUs, cores, memory and time, on this machine or from a scheduler, and how often they are tried."""

import math

# Jobs run on other machines: this Snakemake submits them, or is the one inside of such a job.
SUBMITTED = workflow.resource_settings.nodes is not None or not workflow.is_main_process
# A failed job is tried again, on a cluster with more memory; not by the Snakemake inside of it, or attempts multiply.
RETRIES = (2 if SUBMITTED else 1) if workflow.is_main_process else 0

# Nodes of one training job. Machines that no scheduler lends are one.
TRAIN_NODES = SPEC.cluster.train.nodes if SUBMITTED else 1


def side_by_side(gpus):
    """How many ablations this machine works on at once: all of them, or as many as it has GPUs for."""
    machine = workflow.global_resources.get("gpu")
    machine = getattr(machine, "value", machine)
    room = machine // gpus if gpus and isinstance(machine, int) else len(ABLATIONS)
    return max(1, min(room, len(ABLATIONS)))


def cpus(stage, gpus, shards=1):
    """Threads of a stage's jobs: on one machine its cores are divided among the jobs that can run at once. A
    training step of the sample took 0.58 s with two threads, and 0.73 s with one while another training had the other
    core: two steps instead of 1.3. Elsewhere, --cores are the login node's.
    """
    configured = getattr(SPEC.cluster, stage).cpus
    if configured or SUBMITTED:
        return configured or 8
    return max(1, (workflow.cores or 8) // (side_by_side(gpus) * shards))


def stage_resources(stage, gpus, nodes=1):
    """Resources of a stage's jobs, from the spec's `cluster`. `gpus`: a number or an input function."""
    cluster = getattr(SPEC.cluster, stage)

    def gpu(wildcards):
        return gpus(wildcards) if callable(gpus) else gpus

    def mem_mb(wildcards, attempt):
        gigabytes = 4 + 32 * gpu(wildcards) if cluster.memory_gb is None else cluster.memory_gb
        return math.ceil(1000 * gigabytes * attempt)

    hours = cluster.hours or (24 if stage == "train" else 4)
    partition = {"slurm_partition": cluster.partition} if cluster.partition else {}
    several = nodes_together(nodes, gpu) if nodes > 1 else {}
    return dict(gpu=gpu, mem_mb=mem_mb, runtime=math.ceil(60 * hours), **partition, **several)


def nodes_together(nodes, gpu):
    """What makes Slurm's plugin submit one job of several nodes with a task on each: `mpi` says that the command starts its
    tasks itself (scripts/on_nodes.py); without tasks_per_gpu it would ask for `tasks` times as many tasks as GPUs, and
    without --gpus-per-node one node might get most of them."""

    def slurm_extra(wildcards):
        return f"--gpus-per-node={gpu(wildcards) // nodes}" if gpu(wildcards) else ""

    return dict(tasks=nodes, tasks_per_gpu=0, mpi="srun", slurm_extra=slurm_extra)
