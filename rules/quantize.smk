"""Best epoch -> quantized checkpoint -> the gate."""


rule quantize_checkpoint:
    """Compress the best epoch's language model, calibrated on training frames. The weights lie in weights/."""
    input:
        best=RUN.best("{ablation}"),
        llava=RUN.llava("train"),
        frames=frames_of("train"),
        script="scripts/quantize.py",
        modules=modules("quantize/recipe"),
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
        **asks("quantize", SPEC.quantize.gpus),
    params:
        system_prompt=SPEC.data.system_prompt,
        calibration_videos=SPEC.quantize.calibration_videos,
        max_length=SPEC.quantize.calibration_max_length,
        kv_cache=SPEC.quantize.kv_cache,
        weights=lambda wildcards: f"{RUN.weights(wildcards.ablation)}/{wildcards.precision}",
    message:
        "Quantizing the best epoch of {wildcards.ablation} to {wildcards.precision}"
    shell:
        "python scripts/on_gpus.py {resources.gpu} python {input.script} --best {input.best:q} --precision {wildcards.precision}"
        " --llava {input.llava:q}"
        " --frames {input.frames:q} --system-prompt {params.system_prompt:q}"
        " --calibration-videos {params.calibration_videos} --max-length {params.max_length}"
        " --kv-cache {params.kv_cache} --weights {params.weights:q} --manifest {output:q}"
        " 2>&1 | tee {log:q}"


rule gate:
    """The verdict on every precision: did it lose more than max_accuracy_drop? Deployment reads it."""
    input:
        best=RUN.best("{ablation}"),
        baseline=of_epochs(RUN.predictions),
        quantized=[RUN.predictions("{ablation}", precision) for precision in PRECISIONS],
        script="scripts/gate.py",
        modules=imports_of("gate"),
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
        max_accuracy_drop=SPEC.quantize.max_accuracy_drop,
        quantized=lambda wildcards, input: ["--quantized", *input.quantized] if PRECISIONS else [],
    message:
        "Comparing the quantized checkpoints of {wildcards.ablation} with its best epoch"
    shell:
        "python {input.script} --best {input.best:q} --baseline {input.baseline:q} {params.quantized:q}"
        " --max-accuracy-drop {params.max_accuracy_drop} --output {output:q} 2>&1 | tee {log:q}"


if SPEC.open_questions.questions:

    rule answer_open_questions:
        """What the base model, the best epoch and the quantized checkpoints say to the spec's open questions."""
        input:
            zero_shot=RUN.checkpoint("{ablation}", "zero_shot"),
            best=RUN.best("{ablation}"),
            quantized=[RUN.quantized("{ablation}", precision) for precision in PRECISIONS],
            llava=RUN.llava("val"),
            frames=frames_of("val"),
            script="scripts/answer_open_questions.py",
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
            **asks("quantize", SPEC.quantize.gpus),
        params:
            questions=[f"--question={question}" for question in SPEC.open_questions.questions],
            videos=SPEC.open_questions.videos,
            max_new_tokens=SPEC.open_questions.max_new_tokens,
            system_prompt=SPEC.data.system_prompt,
        message:
            "Asking the checkpoints of {wildcards.ablation} the open questions"
        shell:
            "python scripts/on_gpus.py {resources.gpu} python {input.script} --checkpoints {input.zero_shot:q} {input.best:q} {input.quantized:q}"
            " --llava {input.llava:q} --frames {input.frames:q} {params.questions:q} --videos {params.videos}"
            " --system-prompt {params.system_prompt:q} --max-new-tokens {params.max_new_tokens} --threads {threads}"
            " --output {output:q} 2>&1 | tee {log:q}"


rule quantize:
    """Target: quantized checkpoints, their accuracy and the gate."""
    input:
        every(RUN.quantized, lambda _: PRECISIONS),
        every(RUN.predictions, lambda _: PRECISIONS),
        every(RUN.predictions_source, lambda _: PRECISIONS),
        every(RUN.accuracy, lambda _: PRECISIONS),
        [RUN.gate(ablation) for ablation in ABLATIONS],
