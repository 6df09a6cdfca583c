"""Best epoch -> quantized checkpoint -> the gate."""


rule quantize_checkpoint:
    """Compress the best epoch's language model, calibrated on training frames. The weights lie in weights/."""
    input:
        best=RUN.best("{ablation}"),
        llava=training_of,
        frames=frames_of("train"),
    output:
        RUN.quantized("{ablation}", "{precision}"),
    log:
        RUN.log("quantize", "{ablation}", "{precision}"),
    benchmark:
        RUN.benchmark("quantize", "{ablation}", "{precision}")
    retries: RETRIES
    conda:
        "../envs/local.yaml"
    threads: cpus("quantize", SPEC.quantize.gpus)
    resources:
        **stage_resources("quantize", SPEC.quantize.gpus),
    params:
        code=code_of("quantize"),
        system_prompt=verbatim(SPEC.data.system_prompt),
        quantize=verbatim(SPEC.quantize.compression()),
        weights=lambda wildcards: f"{RUN.weights(wildcards.ablation)}/{wildcards.precision}",
    message:
        "Quantizing the best epoch of {wildcards.ablation} to {wildcards.precision}"
    shell:
        "python scripts/on_gpus.py {resources.gpu} python scripts/quantize.py --best {input.best:q}"
        " --precision {wildcards.precision} --quantize {params.quantize:q} --llava {input.llava:q}"
        " --frames {input.frames:q} --system-prompt={params.system_prompt:q}"
        " --weights {params.weights:q} --manifest {output:q}"
        " 2>&1 | tee {log:q}"


rule ask_served:
    """Ask a quantized checkpoint every validation question over HTTP, with the videos themselves, as it will be deployed."""
    input:
        checkpoint=RUN.quantized("{ablation}", "{precision}"),
        llava=RUN.llava("val"),
        frames=frames_of("val"),
        media=RUN.media("val"),
    output:
        predictions=RUN.served("{ablation}", "{precision}"),
        source=RUN.served_source("{ablation}", "{precision}"),
    log:
        RUN.log("ask_served", "{ablation}", "{precision}"),
    benchmark:
        RUN.benchmark("ask_served", "{ablation}", "{precision}")
    retries: RETRIES  # finished videos are not asked again
    conda:
        "../envs/vllm.yaml"
    threads: cpus("evaluate", SPEC.evaluate.gpus)
    resources:
        **stage_resources("evaluate", SPEC.evaluate.gpus),
    params:
        code=code_of("evaluate_served"),
        media=lambda wildcards: catalog.media_root(SPEC.data, "val"),
        media_links=SPEC.data.media_links,
        system_prompt=verbatim(SPEC.data.system_prompt),
        evaluate=verbatim(SPEC.evaluate.asking()),
        max_length=lambda wildcards: ABLATIONS[wildcards.ablation].train.model_max_length,
        gpus=gpus_of_server,
    message:
        "Asking {wildcards.precision} of {wildcards.ablation} over HTTP"
    shell:
        "python scripts/on_gpus.py {resources.gpu} python scripts/evaluate_served.py"
        " --checkpoint {input.checkpoint:q} --llava {input.llava:q} --media={params.media:q} --frames {input.frames:q}"
        " --media-links {params.media_links} --system-prompt={params.system_prompt:q} --evaluate {params.evaluate:q}"
        " --model-max-length {params.max_length} {params.gpus} --threads {threads}"
        " --predictions {output.predictions:q} --source {output.source:q} 2>&1 | tee {log:q}"


rule gate:
    """The verdict on every precision: did it lose more than max_accuracy_drop? Deployment reads it."""
    input:
        **served_answers(),
        best=RUN.best("{ablation}"),
        baseline=of_epochs(RUN.predictions),
        quantized=[RUN.predictions("{ablation}", precision) for precision in PRECISIONS],
        accuracy=[RUN.accuracy("{ablation}", precision) for precision in PRECISIONS],  # not read: see compare
    output:
        RUN.gate("{ablation}"),
    log:
        RUN.log("gate", "{ablation}"),
    benchmark:
        RUN.benchmark("gate", "{ablation}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("gate"),
        quantize=verbatim(SPEC.quantize.verdict()),
        served=served_options,
    message:
        "Comparing the quantized checkpoints of {wildcards.ablation} with its best epoch"
    shell:
        "python scripts/gate.py --best {input.best:q} --baseline {input.baseline:q} --quantized {input.quantized:q}"
        " {params.served:q} --quantize {params.quantize:q} --output {output:q} 2>&1 | tee {log:q}"


if SPEC.open_questions.questions:

    rule answer_open_questions:
        """What the base model, the best epoch and the quantized checkpoints say to the spec's open questions."""
        input:
            zero_shot=RUN.checkpoint("{ablation}", "zero_shot"),
            best=RUN.best("{ablation}"),
            quantized=[RUN.quantized("{ablation}", precision) for precision in PRECISIONS],
            llava=RUN.llava("val"),
            frames=frames_of("val"),
        output:
            RUN.open_questions("{ablation}"),
        log:
            RUN.log("answer_open_questions", "{ablation}"),
        benchmark:
            RUN.benchmark("answer_open_questions", "{ablation}")
        retries: RETRIES
        conda:
            "../envs/local.yaml"
        threads: cpus("quantize", SPEC.quantize.gpus)
        resources:
            **stage_resources("quantize", SPEC.quantize.gpus),
        params:
            code=code_of("answer_open_questions"),
            open_questions=verbatim(SPEC.open_questions.model_dump_json()),
            system_prompt=verbatim(SPEC.data.system_prompt),
        message:
            "Asking the checkpoints of {wildcards.ablation} the open questions"
        shell:
            "python scripts/on_gpus.py {resources.gpu} python scripts/answer_open_questions.py"
            " --checkpoints {input.zero_shot:q} {input.best:q} {input.quantized:q}"
            " --llava {input.llava:q} --frames {input.frames:q} --open-questions {params.open_questions:q}"
            " --system-prompt={params.system_prompt:q} --threads {threads}"
            " --output {output:q} 2>&1 | tee {log:q}"


rule quantize:
    """Target: quantized checkpoints, their accuracy and the gate."""
    input:
        RUN.spec,
        every(RUN.quantized, lambda _: PRECISIONS),
        every(RUN.predictions, lambda _: PRECISIONS),
        every(RUN.predictions_source, lambda _: PRECISIONS),
        every(RUN.accuracy, lambda _: PRECISIONS),
        [RUN.gate(ablation) for ablation in ABLATIONS],
    message:
        "The quantized checkpoints are there, and the gate"
