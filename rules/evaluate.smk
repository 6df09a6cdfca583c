"""Checkpoint -> predictions -> accuracy, for zero-shot, every epoch and every quantized checkpoint."""


rule evaluate_checkpoint:
    """Ask a checkpoint every validation question."""
    input:
        checkpoint=manifest_of,
        llava=RUN.llava("val"),
        frames=frames_of("val"),
        script=f"scripts/evaluate_{SPEC.evaluate.engine}.py",
        modules=modules("evaluate/evaluation"),
    output:
        predictions=RUN.predictions("{ablation}", "{checkpoint}"),
        source=RUN.predictions_source("{ablation}", "{checkpoint}"),
    log:
        RUN.log("evaluate", "{ablation}", "{checkpoint}"),
    benchmark:
        RUN.benchmark("evaluate", "{ablation}", "{checkpoint}")
    retries: RETRIES  # finished videos are not asked again
    conda:
        f"../envs/{SPEC.evaluate.engine}.yaml"
    threads: cpus("evaluate", SPEC.evaluate.gpus, SPEC.evaluate.shards)
    resources:
        **asks("evaluate", SPEC.evaluate.gpus),
    params:
        system_prompt=SPEC.data.system_prompt,
        max_new_tokens=SPEC.evaluate.max_new_tokens,
        answers=SPEC.evaluate.answers,
        shard=shard_of,
        engine=engine_options,
    message:
        "Evaluating {wildcards.checkpoint} of {wildcards.ablation}"
    shell:
        "python scripts/on_gpus.py {resources.gpu} python {input.script} --checkpoint {input.checkpoint:q} --llava {input.llava:q}"
        " --frames {input.frames:q}"
        " --system-prompt {params.system_prompt:q} --max-new-tokens {params.max_new_tokens}"
        " --answers {params.answers} --shard {params.shard} {params.engine} --threads {threads}"
        " --predictions {output.predictions:q} --source {output.source:q} 2>&1 | tee {log:q}"


if SPEC.evaluate.shards > 1:

    use rule evaluate_checkpoint as evaluate_shard with:
        output:
            predictions=RUN.shard("{ablation}", "{checkpoint}", "{shard}", SPEC.evaluate.shards),
            source=RUN.shard("{ablation}", "{checkpoint}", "{shard}", SPEC.evaluate.shards, "source.json"),
        log:
            RUN.log("evaluate", "{ablation}", "{checkpoint}.{shard}"),
        benchmark:
            RUN.benchmark("evaluate", "{ablation}", "{checkpoint}.{shard}")
        message:
            "Evaluating {wildcards.checkpoint} of {wildcards.ablation}, shard {params.shard}"

    ruleorder: merge_predictions > evaluate_checkpoint

    rule merge_predictions:
        """The predictions of one checkpoint from its shards: the bytes that one job would have written."""
        input:
            llava=RUN.llava("val"),
            predictions=shards("jsonl"),
            sources=shards("source.json"),
            script="scripts/merge_predictions.py",
        output:
            predictions=RUN.predictions("{ablation}", "{checkpoint}"),
            source=RUN.predictions_source("{ablation}", "{checkpoint}"),
        log:
            RUN.log("merge_predictions", "{ablation}", "{checkpoint}"),
        benchmark:
            RUN.benchmark("merge_predictions", "{ablation}", "{checkpoint}")
        conda:
            "../envs/workflow.yaml"
        resources:
            mem_mb=1000,
            runtime=20,
        message:
            "Merging the predictions of {wildcards.checkpoint} of {wildcards.ablation}"
        shell:
            "python {input.script} --llava {input.llava:q} --predictions {input.predictions:q}"
            " --sources {input.sources:q} --output {output.predictions:q} --source {output.source:q}"
            " 2>&1 | tee {log:q}"


rule score:
    """Accuracy of one checkpoint with its interval: from predictions alone, no model needed."""
    input:
        predictions=RUN.predictions("{ablation}", "{checkpoint}"),
        source=RUN.predictions_source("{ablation}", "{checkpoint}"),
        script="scripts/score.py",
        modules=imports_of("score"),
    output:
        RUN.accuracy("{ablation}", "{checkpoint}"),
    log:
        RUN.log("score", "{ablation}", "{checkpoint}"),
    benchmark:
        RUN.benchmark("score", "{ablation}", "{checkpoint}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        spec_hash=lambda wildcards: SPEC.hash(wildcards.ablation),
        bootstrap_samples=SPEC.evaluate.bootstrap_samples,
    message:
        "Scoring {wildcards.checkpoint} of {wildcards.ablation}"
    shell:
        "python {input.script} --predictions {input.predictions:q} --source {input.source:q}"
        " --spec-hash {params.spec_hash} --bootstrap-samples {params.bootstrap_samples} --accuracy {output:q}"
        " 2>&1 | tee {log:q}"


rule select_best:
    """The epoch with the highest validation accuracy: what is quantized and deployed."""
    input:
        accuracy=of_epochs(RUN.accuracy),
        checkpoints=of_epochs(RUN.checkpoint),
        script="scripts/select_best.py",
    output:
        RUN.best("{ablation}"),
    log:
        RUN.log("select_best", "{ablation}"),
    benchmark:
        RUN.benchmark("select_best", "{ablation}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    message:
        "Choosing the best epoch of {wildcards.ablation}"
    shell:
        "python {input.script} --accuracy {input.accuracy:q} --checkpoints {input.checkpoints:q} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule evaluate:
    """Target: the accuracy of the base model and of every epoch."""
    input:
        every(RUN.predictions, lambda ablation: ["zero_shot", *epochs(ablation)]),
        every(RUN.predictions_source, lambda ablation: ["zero_shot", *epochs(ablation)]),
        every(RUN.accuracy, lambda ablation: ["zero_shot", *epochs(ablation)]),
        [RUN.best(ablation) for ablation in ABLATIONS],
