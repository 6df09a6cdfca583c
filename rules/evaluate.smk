"""Checkpoint -> predictions -> accuracy, for zero-shot, every epoch, every quantized checkpoint and the baselines."""


rule evaluate_checkpoint:
    """Ask a checkpoint every validation question (text_only: the best epoch, without the media)."""
    input:
        checkpoint=manifest_of,
        manifests=manifests_behind,
        llava=RUN.llava("val"),
        frames=frames_of("val"),
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
        **stage_resources("evaluate", SPEC.evaluate.gpus),
    params:
        code=code_of(f"evaluate_{SPEC.evaluate.engine}"),
        engine=SPEC.evaluate.engine,
        system_prompt=verbatim(SPEC.data.system_prompt),
        evaluate=verbatim(SPEC.evaluate.asking()),
        media=without_media,
        shard=shard_of,
        max_length=max_length,
        gpus=engine_gpus,
    message:
        "Evaluating {wildcards.checkpoint} of {wildcards.ablation}"
    shell:
        "python scripts/on_gpus.py {resources.gpu} python scripts/evaluate_{params.engine}.py"
        " --checkpoint {input.checkpoint:q} --llava {input.llava:q} --frames {input.frames:q}"
        " --system-prompt={params.system_prompt:q} --evaluate {params.evaluate:q} {params.max_length} {params.gpus}"
        " {params.media} --shard {params.shard} --threads {threads}"
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

    ruleorder: answer_by_majority > merge_predictions > evaluate_checkpoint

    rule merge_predictions:
        """The predictions of one checkpoint from its shards: the bytes that one job would have written."""
        input:
            llava=RUN.llava("val"),
            predictions=shards("jsonl"),
            sources=shards("source.json"),
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
        params:
            code=code_of("merge_predictions"),
        message:
            "Merging the predictions of {wildcards.checkpoint} of {wildcards.ablation}"
        shell:
            "python scripts/merge_predictions.py --llava {input.llava:q} --predictions {input.predictions:q}"
            " --sources {input.sources:q} --output {output.predictions:q} --source {output.source:q}"
            " 2>&1 | tee {log:q}"


rule answer_by_majority:
    """The baseline that has read the training answers and looks at nothing; the same for ablations of one training set."""
    input:
        train=training_of,
        llava=RUN.llava("val"),
    output:
        predictions=RUN.predictions("{ablation}", paths.MAJORITY),
        source=RUN.predictions_source("{ablation}", paths.MAJORITY),
    log:
        RUN.log("answer_by_majority", "{ablation}"),
    benchmark:
        RUN.benchmark("answer_by_majority", "{ablation}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code_of("answer_by_majority"),
    message:
        "Answering with the majority of the training answers for {wildcards.ablation}"
    shell:
        "python scripts/answer_by_majority.py --train {input.train:q} --llava {input.llava:q}"
        " --predictions {output.predictions:q} --source {output.source:q} 2>&1 | tee {log:q}"


ruleorder: answer_by_majority > evaluate_checkpoint


rule score:
    """Accuracy of one checkpoint with its interval: from predictions alone, no model needed."""
    input:
        predictions=RUN.predictions("{ablation}", "{checkpoint}"),
        source=RUN.predictions_source("{ablation}", "{checkpoint}"),
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
        code=code_of("score"),
        spec_hash=lambda wildcards: SPEC.hash(wildcards.ablation),
        evaluate=verbatim(SPEC.evaluate.scoring()),
    message:
        "Scoring {wildcards.checkpoint} of {wildcards.ablation}"
    shell:
        "python scripts/score.py --predictions {input.predictions:q} --source {input.source:q}"
        " --spec-hash {params.spec_hash} --evaluate {params.evaluate:q} --accuracy {output:q}"
        " 2>&1 | tee {log:q}"


rule select_best:
    """The epoch with the highest validation accuracy: what is quantized and deployed."""
    input:
        accuracy=of_epochs(RUN.accuracy),
        checkpoints=of_epochs(RUN.checkpoint),
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
    params:
        code=code_of("select_best"),
    message:
        "Choosing the best epoch of {wildcards.ablation}"
    shell:
        "python scripts/select_best.py --accuracy {input.accuracy:q} --checkpoints {input.checkpoints:q} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule evaluate:
    """Target: the accuracy of the base model, of every epoch and of the baselines."""
    input:
        RUN.spec,
        every(RUN.predictions, lambda ablation: ["zero_shot", *epochs(ablation), *BASELINES]),
        every(RUN.predictions_source, lambda ablation: ["zero_shot", *epochs(ablation), *BASELINES]),
        every(RUN.accuracy, lambda ablation: ["zero_shot", *epochs(ablation), *BASELINES]),
        [RUN.best(ablation) for ablation in ABLATIONS],
    message:
        "Every checkpoint and baseline is evaluated"
