"""Spec -> TOML -> preflight -> one checkpoint an epoch."""


rule take_share:
    """The part of the training scenarios that `train.share` asks for; ablations of the same share and seed have one."""
    input:
        RUN.llava("train"),
    output:
        llava=RUN.training("{share}", "{seed}"),
        summary=RUN.training("{share}", "{seed}", "json"),
    log:
        RUN.log("take_share", "{share}.{seed}"),
    benchmark:
        RUN.benchmark("take_share", "{share}.{seed}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("take_share"),
    message:
        "Taking {wildcards.share} of the training scenarios, seed {wildcards.seed}"
    shell:
        "python scripts/take_share.py --llava {input:q} --share {wildcards.share} --seed {wildcards.seed}"
        " --output {output.llava:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule render_toml:
    """The training run in cosmos-rl's format: one description for both engines."""
    input:
        template="templates/sft.toml.j2",
    output:
        RUN.toml("{ablation}"),
    log:
        RUN.log("render_toml", "{ablation}"),
    benchmark:
        RUN.benchmark("render_toml", "{ablation}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("render_toml"),
        ablation=lambda wildcards: ABLATIONS[wildcards.ablation].model_dump_json(),
        run=SPEC.run,
        llava=training_of,
        media=verbatim(catalog.media_root(SPEC.data, "train")),
        frames=frames_of("train"),
        system_prompt=verbatim(SPEC.data.system_prompt),
        weights=RUN.weights("{ablation}"),
    message:
        "Writing what {wildcards.ablation} trains to {output}"
    shell:
        "python scripts/render_toml.py --template {input.template:q} --ablation {params.ablation:q} --run {params.run}"
        " --llava {params.llava:q} --media={params.media:q} --frames {params.frames:q}"
        " --system-prompt={params.system_prompt:q} --output-dir {params.weights:q} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule preflight:
    """Tokens, memory, steps and time of a training run, and its mistakes, before a GPU is touched."""
    input:
        toml=RUN.toml("{ablation}"),
        llava=training_of,
    output:
        RUN.preflight("{ablation}"),
    log:
        RUN.log("preflight", "{ablation}"),
    benchmark:
        RUN.benchmark("preflight", "{ablation}")
    conda:
        preflight_environment
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        quantize=verbatim(SPEC.quantize.calibration_length()),
        media_links=SPEC.data.media_links,
    message:
        "Reckoning tokens, memory, steps and time of {wildcards.ablation}"
    shell:
        "python scripts/preflight.py --toml {input.toml:q} --quantize {params.quantize:q} --media-links {params.media_links}"
        ' --frames "$ROADTRAIN_FRAMES" --output {output:q} 2>&1 | tee {log:q}'


rule describe_base:
    """Manifest of the model before training, so that it is evaluated like any checkpoint."""
    input:
        lambda wildcards: nameable(base_files(ABLATIONS[wildcards.ablation].model)),
    output:
        RUN.checkpoint("{ablation}", "zero_shot"),
    log:
        RUN.log("describe_base", "{ablation}"),
    benchmark:
        RUN.benchmark("describe_base", "{ablation}")
    conda:
        "../envs/local.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=code_of("describe_base"),
        model=lambda wildcards: ABLATIONS[wildcards.ablation].model,
    message:
        "Describing the base model of {wildcards.ablation}: {params.model}"
    shell:
        "python scripts/describe_base.py --model={params.model:q} --manifest {output:q} 2>&1 | tee {log:q}"


# Snakemake wants to know a rule's outputs beforehand: one rule for each number of epochs that the spec has.
# `use rule .. as ..` takes names that stand in the text only; these are train_3_epochs and so on.
NUMBERS_OF_EPOCHS = sorted({ablation.train.epochs for ablation in ABLATIONS.values()})
for EPOCHS in NUMBERS_OF_EPOCHS:

    rule train_ablation:
        """Post-train one ablation.

        The outputs are small manifests, one an epoch. The weights that they describe lie in weights/ and are not
        outputs: Snakemake deletes the outputs of a failed job, and a finished epoch must survive a crash. The
        program resumes after the last whole epoch, and starts over when the TOML or the data changed.
        """
        name:
            f"train_{EPOCHS}_epochs"
        input:
            toml=RUN.toml("{ablation}"),
            preflight=RUN.preflight("{ablation}"),
            llava=training_of,
            frames=frames_of("train"),
            base=lambda wildcards: nameable(base_files(ABLATIONS[wildcards.ablation].model)),
        output:
            manifests=[RUN.checkpoint("{ablation}", f"epoch_{n}") for n in range(1, EPOCHS + 1)],
            log=RUN.train_log("{ablation}"),
        log:
            RUN.log("train", "{ablation}"),
        benchmark:
            RUN.benchmark("train", "{ablation}")
        wildcard_constraints:
            **(
                {"ablation": "|".join(re.escape(n) for n, a in ABLATIONS.items() if a.train.epochs == EPOCHS)}
                if len(NUMBERS_OF_EPOCHS) > 1
                else {}
            ),
        retries: RETRIES  # resumes after the last finished epoch
        conda:
            trainer_environment
        threads: lambda wildcards: cpus("train", ABLATIONS[wildcards.ablation].train.gpus)
        resources:
            **stage_resources("train", lambda wildcards: ABLATIONS[wildcards.ablation].train.gpus, TRAIN_NODES),
            nodes=TRAIN_NODES,
        params:
            program=trainer,
            weights=RUN.weights("{ablation}"),
            manifests=lambda wildcards, output: str(Path(output.manifests[0]).parent),
        message:
            f"Training {{wildcards.ablation}}, {EPOCHS} epochs"
        shell:
            "python scripts/on_nodes.py --cpus {threads} {resources.nodes} {resources.gpu} python {params.program}"
            " --toml {input.toml:q} --weights {params.weights:q} --manifests {params.manifests:q} --log {output.log:q} --threads {threads} 2>&1 | tee {log:q}"


rule export_logs:
    """Copies of the training log for TensorBoard and Weights & Biases, as the spec's `logs` says."""
    input:
        log=RUN.train_log("{ablation}"),
    output:
        RUN.exported_logs("{ablation}"),
    log:
        RUN.log("export_logs", "{ablation}"),
    benchmark:
        RUN.benchmark("export_logs", "{ablation}")
    conda:
        "../envs/logs.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("export_logs"),
        copies=log_copies,
    message:
        "Copying the training log of {wildcards.ablation}"
    shell:
        "python scripts/export_logs.py {input.log:q} {params.copies:q} --summary {output:q} 2>&1 | tee {log:q}"


rule plan:
    """Target: what each ablation will cost, before anyone pays."""
    input:
        preflight=[RUN.preflight(ablation) for ablation in ABLATIONS],
        spec=RUN.spec,
    log:
        RUN.log("plan"),
    conda:
        "../envs/workflow.yaml"
    params:
        nodes=SPEC.cluster.train.nodes,
        network=f"--network-gbit {SPEC.cluster.train.network_gbit}" if SPEC.cluster.train.network_gbit else "",
    message:
        "Showing what each ablation will cost"
    shell:
        "python scripts/show_plan.py {input.preflight:q} --nodes {params.nodes} {params.network} 2>&1 | tee {log:q}"


rule train:
    """Target: every checkpoint of every ablation."""
    input:
        RUN.spec,
        [RUN.toml(ablation) for ablation in ABLATIONS],
        [RUN.preflight(ablation) for ablation in ABLATIONS],
        [RUN.train_log(ablation) for ablation in ABLATIONS],
        [RUN.exported_logs(ablation) for ablation in ABLATIONS if SPEC.logs.to],
        every(RUN.checkpoint, lambda ablation: ["zero_shot", *epochs(ablation)]),
    message:
        "Every checkpoint is there"
