"""The names of wildcards, and small functions for inputs that more than one stage needs."""

import json
import math
import os
import re
from functools import cache
from modulefinder import ModuleFinder

from roadtrain import locks
from roadtrain.data import sources
from roadtrain.files import replace_links

SPLITS = list(SPEC.data.splits)  # test where there is one


class Ablations(dict):
    """{name: ablation}; a file of an ablation that the spec doesn't have is a mistake in what was asked for."""

    def __missing__(self, name):
        raise ValueError(f"{SPEC_FILE}: ablations: there is no {name}")


ABLATIONS = Ablations({name: SPEC.ablation(name) for name in SPEC.ablations})
VISIONS = {ablation.vision.name: ablation.vision for ablation in ABLATIONS.values()}
# Not a parameter of a rule: another ablation's setting must not make this one's index, and what follows, anew.
os.environ.update(ROADTRAIN_VISIONS=json.dumps([vision.settings() for vision in VISIONS.values()]))
PRECISIONS = SPEC.quantize.precisions
# Jobs that are Snakemakes themselves (a cluster's) belong to one that is alive already.
ALIVE = locks.hold_snakemake() if workflow.is_main_process else None


wildcard_constraints:
    ablation=r"[A-Za-z0-9][A-Za-z0-9_.-]*",  # not the names: a thousand of them, tried at every file, took minutes
    vision="|".join(map(re.escape, VISIONS)),
    split="|".join(SPLITS),
    checkpoint=r"zero_shot|epoch_\d+|" + "|".join(PRECISIONS or ["fp8"]),
    precision="|".join(PRECISIONS or ["fp8"]),
    shard=r"\d+",


# Jobs run on other machines: this Snakemake submits them, or is the one inside of such a job.
SUBMITTED = workflow.resource_settings.nodes is not None or not workflow.is_main_process
# A failed job is tried again, on a cluster with more memory; not by the Snakemake inside of it, or attempts multiply.
RETRIES = (2 if SUBMITTED else 1) if workflow.is_main_process else 0


def raw(files, folder):
    """Raw data as inputs. Where only results were pulled there are none; their missing folder then stands for them:
    Snakemake keeps what was made from it, and names it when that has to be made again.
    """
    pulled = not files and Path(RUN.audit).exists() and not Path(folder).exists()
    return [folder] if pulled else files


def epochs(ablation):
    """Checkpoints that training one ablation leaves: epoch_1, epoch_2, .."""
    return [f"epoch_{n}" for n in range(1, ABLATIONS[ablation].train.epochs + 1)]


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
    wished = getattr(SPEC.cluster, stage).cpus
    if wished or SUBMITTED:
        return wished or 8
    return max(1, (workflow.cores or 8) // (side_by_side(gpus) * shards))


def asks(stage, gpus):
    """Resources of a stage's jobs, from the spec's `cluster`. `gpus`: a number or an input function."""
    job = getattr(SPEC.cluster, stage)

    def gpu(wildcards):
        return gpus(wildcards) if callable(gpus) else gpus

    def mem_mb(wildcards, attempt):
        gigabytes = 4 + 32 * gpu(wildcards) if job.memory_gb is None else job.memory_gb
        return math.ceil(1000 * gigabytes * attempt)

    hours = job.hours or (24 if stage == "train" else 4)
    partition = {"slurm_partition": job.partition} if job.partition else {}
    return dict(gpu=gpu, mem_mb=mem_mb, runtime=math.ceil(60 * hours), **partition)


def frames_of(split):
    """Input function, the frame index that an ablation reads."""
    return lambda wildcards: RUN.frames(ABLATIONS[wildcards.ablation].vision.name, split)


def submissions(wildcards):
    """What the target submission makes. Raises ValueError when the spec names no test."""
    if "test" not in SPLITS:
        raise ValueError(
            f"{SPEC_FILE}: data.files.test is missing: it names the public test's JSON file below {SPEC.data.root}"
        )
    return [RUN.submission(ablation) for ablation in ABLATIONS]


def of_epochs(path):
    """Input function, one file an epoch of the ablation; `path` is a method of Paths."""
    return lambda wildcards: [path(wildcards.ablation, epoch) for epoch in epochs(wildcards.ablation)]


def modules(*names):
    """Modules of scripts/roadtrain whose change makes a result stale."""
    return [f"scripts/roadtrain/{name}.py" for name in names]


@cache
def _imports(program):
    finder = ModuleFinder(path=["scripts"])
    finder.run_script(f"scripts/{program}.py")
    return sorted(os.path.relpath(module.__file__) for module in finder.modules.values() if module.__file__)


def imports_of(program):
    """Input function, every module that a program imports, directly or not: for results that cost only seconds."""
    return lambda wildcards: _imports(program)


def every(path, checkpoints):
    """One file for every ablation and every checkpoint that checkpoints(ablation) names."""
    return [path(ablation, checkpoint) for ablation in ABLATIONS for checkpoint in checkpoints(ablation)]


def trainer(wildcards):
    """The program of the ablation's engine: scripts/train_local.py or scripts/train_cosmos_rl.py."""
    return "scripts/train_{}.py".format(ABLATIONS[wildcards.ablation].train.engine.replace("-", "_"))


def trainer_environment(wildcards):
    """The environment of the ablation's engine."""
    return f"../envs/{ABLATIONS[wildcards.ablation].train.engine}.yaml"


def preflight_environment(wildcards):
    """cosmos-rl's TOML is checked by cosmos-rl's own config model."""
    return (
        trainer_environment(wildcards)
        if ABLATIONS[wildcards.ablation].train.engine == "cosmos-rl"
        else "../envs/workflow.yaml"
    )


def log_copies(wildcards):
    """Options of export_logs.py: where the spec's `logs` wants a copy."""
    options = []
    if "tensorboard" in SPEC.logs.to:
        options += ["--tensorboard", RUN.exported("tensorboard", wildcards.ablation)]
    if "wandb" in SPEC.logs.to:
        options += [
            "--wandb",
            SPEC.logs.wandb_project,
            "--wandb-dir",
            RUN.exported("wandb", wildcards.ablation),
        ]
        options += ["--offline"] if SPEC.logs.wandb_mode == "offline" else []
    return options


def manifest_of(wildcards):
    """What describes a checkpoint: an epoch (or the base model), or a quantized one."""
    path = RUN.quantized if wildcards.checkpoint in PRECISIONS else RUN.checkpoint
    return path(wildcards.ablation, wildcards.checkpoint)


def shard_of(wildcards):
    """Which videos an evaluation job asks about, as i/n."""
    return f"{wildcards.get('shard', 1)}/{SPEC.evaluate.shards if 'shard' in wildcards.keys() else 1}"


def shards(kind):
    """Files of every job that shares a checkpoint's evaluation."""
    count = SPEC.evaluate.shards
    return [RUN.shard("{ablation}", "{checkpoint}", str(n), count, kind) for n in range(1, count + 1)]


def engine_options(wildcards):
    """Arguments that only the program of evaluate.engine takes."""
    if SPEC.evaluate.engine == "local":
        return []
    length = ABLATIONS[wildcards.ablation].train.model_max_length
    return [f"--max-length={length}", f"--gpus={SPEC.evaluate.gpus}"]


def deployed_checkpoint(wildcards):
    """What describes the checkpoint that is deployed."""
    if SPEC.deploy.checkpoint == "best":
        return RUN.best(wildcards.ablation)
    return RUN.quantized(wildcards.ablation, PRECISIONS[0])


def deployed_accuracy(wildcards):
    """Its accuracy; the best epoch is known only when all were evaluated."""
    if SPEC.deploy.checkpoint == "best":
        return of_epochs(RUN.accuracy)(wildcards)
    return RUN.accuracy(wildcards.ablation, PRECISIONS[0])
