"""The best epoch's answers to the public test, and its captions, as the AI City challenge wants them."""

SUBMITTED_CAPTIONS = catalog.submitted_caption_tasks(SPEC.data) if "test" in SPLITS else ()

# TAR's is one table of every item; WTS's a JSON of letters, a table of what cameras said and, with captions, their JSON.
OF_TAR = SPEC.data.source == "tar"
SUBMISSION_FILE = "submission.csv" if OF_TAR else "submission.json"


rule ask_test:
    """Ask the best epoch every question of the test split, captions too. The answers are not in the data."""
    input:
        best=RUN.best("{ablation}"),
        checkpoints=of_epochs(RUN.checkpoint),
        llava=RUN.llava("test"),
        frames=frames_of("test"),
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
        **stage_resources("evaluate", SPEC.evaluate.gpus),
    params:
        code=code_of(f"evaluate_{SPEC.evaluate.engine}"),
        engine=SPEC.evaluate.engine,
        system_prompt=verbatim(SPEC.data.system_prompt),
        evaluate=verbatim(SPEC.evaluate.asking()),
        max_length=max_length,
        gpus=engine_gpus,
    message:
        "Asking the best epoch of {wildcards.ablation} the test"
    shell:
        "MANIFEST=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))[\"manifest\"])' {input.best:q});"
        " python scripts/on_gpus.py {resources.gpu} python scripts/evaluate_{params.engine}.py"
        ' --checkpoint "$MANIFEST" --llava {input.llava:q} --frames {input.frames:q}'
        " --system-prompt={params.system_prompt:q} --evaluate {params.evaluate:q} {params.max_length} {params.gpus}"
        " --threads {threads}"
        " --predictions {output.predictions:q} --source {output.source:q} 2>&1 | tee {log:q}"


rule make_submission:
    """The challenge's files: WTS's letters and texts, and what of it several cameras said; or TAR's table of answers."""
    input:
        llava=RUN.llava("test"),
        predictions=RUN.submission("{ablation}", "predictions.jsonl"),
        annotations=lambda wildcards: nameable(test_annotations()) if SPEC.data.is_wts or OF_TAR else [],
    output:
        answers=RUN.submission("{ablation}", SUBMISSION_FILE),
        captions=[RUN.submission("{ablation}", "captions.json")] if SUBMITTED_CAPTIONS else [],
        merged=[] if OF_TAR else [RUN.submission("{ablation}", "merged.csv")],
    log:
        RUN.log("make_submission", "{ablation}"),
    benchmark:
        RUN.benchmark("make_submission", "{ablation}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("make_submission"),
        data=verbatim(SPEC.data.conversion()),
        cameras=SPEC.evaluate.cameras,
        caption_cameras=SPEC.evaluate.caption_cameras,
        captions=lambda wildcards, output: [f"--captions={path}" for path in output.captions],
        merged=lambda wildcards, output: [f"--merged={path}" for path in output.merged],
    message:
        "Writing the submission of {wildcards.ablation}"
    shell:
        "python scripts/make_submission.py --llava {input.llava:q} --predictions {input.predictions:q}"
        " --data {params.data:q} --cameras {params.cameras} --caption-cameras {params.caption_cameras}"
        " --output {output.answers:q} {params.captions:q} {params.merged:q}"
        " 2>&1 | tee {log:q}"


rule submission:
    """Target: the AI City submission of every ablation. Not a part of `all` unless the spec names a test."""
    input:
        RUN.spec,
        submissions,
    message:
        "The submissions are there"
