"""What the jobs of an ablation or a checkpoint are given: input functions and options that depend on the spec."""


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
            f"--wandb={SPEC.logs.wandb_project}",
            "--wandb-dir",
            RUN.exported("wandb", wildcards.ablation),
        ]
        options += ["--offline"] if SPEC.logs.wandb_mode == "offline" else []
    return options


def manifest_of(wildcards):
    """What describes a checkpoint: an epoch (or the base model), a quantized one, or the best epoch."""
    if wildcards.checkpoint == paths.TEXT_ONLY:
        return RUN.best(wildcards.ablation)
    path = RUN.quantized if wildcards.checkpoint in PRECISIONS else RUN.checkpoint
    return path(wildcards.ablation, wildcards.checkpoint)


def manifests_behind(wildcards):
    """best.json names one of these."""
    return of_epochs(RUN.checkpoint)(wildcards) if wildcards.checkpoint == paths.TEXT_ONLY else []


def without_media(wildcards):
    """The baseline that sees nothing."""
    return ["--without-media"] if wildcards.checkpoint == paths.TEXT_ONLY else []


def shard_of(wildcards):
    """Which videos an evaluation job asks about, as i/n."""
    return f"{wildcards.get('shard', 1)}/{SPEC.evaluate.shards if 'shard' in wildcards.keys() else 1}"


def shards(kind):
    """Files of every job that shares a checkpoint's evaluation."""
    count = SPEC.evaluate.shards
    return [RUN.shard("{ablation}", "{checkpoint}", str(n), count, kind) for n in range(1, count + 1)]


def max_length(wildcards):
    """vLLM wants to know beforehand how long a prompt can be; the local engine takes what comes."""
    if SPEC.evaluate.engine == "local":
        return []
    return [f"--model-max-length={ABLATIONS[wildcards.ablation].train.model_max_length}"]


def engine_gpus(wildcards, resources):
    """Over how many GPUs vLLM splits the model. Not compared with earlier runs: answers don't depend on it."""
    return [] if SPEC.evaluate.engine == "local" else [f"--gpus={resources.gpu}"]


def gpus_of_server(wildcards, resources):
    """Over how many GPUs the server that is asked splits the model. Answers don't depend on it, as in engine_gpus."""
    return [f"--gpus={resources.gpu}"]


def served_answers():
    """Inputs of the gate: what vLLM's server answered, of the precision that is deployed, where the spec wants it."""
    if SPEC.deploy.verify == "offline":
        return {}
    return dict(
        served=[RUN.served("{ablation}", PRECISIONS[0])],
        served_sources=[RUN.served_source("{ablation}", PRECISIONS[0])],
    )


def served_options(wildcards, input):
    """gate.py's options of them. No parameter of a run without: its gate is not made again."""
    if SPEC.deploy.verify == "offline":
        return []
    return ["--served", *input.served, "--served-sources", *input.served_sources]


def submissions(wildcards):
    """What the target submission makes. Raises ValueError when the spec names no test."""
    if "test" not in SPLITS:
        raise ValueError(
            f"{SPEC_FILE}: data.files.test is missing: it names the public test's JSON file below {SPEC.data.root}"
        )
    return [
        RUN.submission(ablation, name)
        for ablation in ABLATIONS
        for name in (
            SUBMISSION_FILE,
            *([] if OF_TAR else ["merged.csv"]),
            *(["captions.json"] if SUBMITTED_CAPTIONS else []),
        )
    ]


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
