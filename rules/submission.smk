"""The best epoch's answers to the public test, as the AI City challenge wants them."""


rule ask_test:
    """Ask the best epoch every question of the test split. The answers are not in the data."""
    input:
        best=RUN.best("{ablation}"),
        checkpoints=of_epochs(RUN.checkpoint),
        llava=RUN.llava("test"),
        frames=frames_of("test"),
        script=f"scripts/evaluate_{SPEC.evaluate.engine}.py",
    output:
        predictions=RUN.submission("{ablation}", "predictions.jsonl"),
        source=RUN.submission("{ablation}", "predictions.source.json"),
    log:
        RUN.log("ask_test", "{ablation}"),
    benchmark:
        RUN.benchmark("ask_test", "{ablation}")
    retries: RETRIES  # finished videos are not asked again
    conda:
        f"../envs/{SPEC.evaluate.engine}.yaml"
    threads: cpus("evaluate", SPEC.evaluate.gpus)
    resources:
        **asks("evaluate", SPEC.evaluate.gpus),
    params:
        system_prompt=SPEC.data.system_prompt,
        max_new_tokens=SPEC.evaluate.max_new_tokens,
        answers=SPEC.evaluate.answers,
        engine=engine_options,
    message:
        "Asking the best epoch of {wildcards.ablation} the test"
    shell:
        "MANIFEST=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))[\"manifest\"])' {input.best:q});"
        ' python scripts/on_gpus.py {resources.gpu} python {input.script} --checkpoint "$MANIFEST" --llava {input.llava:q}'
        " --frames {input.frames:q}"
        " --system-prompt {params.system_prompt:q} --max-new-tokens {params.max_new_tokens}"
        " --answers {params.answers} {params.engine} --threads {threads}"
        " --predictions {output.predictions:q} --source {output.source:q} 2>&1 | tee {log:q}"


rule make_submission:
    """The challenge's JSON: one letter a question."""
    input:
        llava=RUN.llava("test"),
        predictions=RUN.submission("{ablation}", "predictions.jsonl"),
        script="scripts/make_submission.py",
    output:
        RUN.submission("{ablation}"),
    log:
        RUN.log("make_submission", "{ablation}"),
    benchmark:
        RUN.benchmark("make_submission", "{ablation}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Writing the submission of {wildcards.ablation}"
    shell:
        "python {input.script} --llava {input.llava:q} --predictions {input.predictions:q} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule submission:
    """Target: the AI City submission of every ablation. Not a part of `all` unless the spec names a test."""
    input:
        submissions,
