"""Raw annotations -> LLaVA JSON and its audit."""

if SPEC.data.sample is not None:

    rule make_sample:
        """The bundled sample: traffic scenes in WTS's layout, rendered from a seed."""
        output:
            catalog.sample_files(SPEC.data),
        log:
            RUN.log("make_sample"),
        benchmark:
            RUN.benchmark("make_sample")
        conda:
            "../envs/workflow.yaml"
        threads: workflow.cores or 2
        resources:
            mem_mb=2000,
            runtime=10,
        params:
            code=code_of("make_sample"),
            root=verbatim(SPEC.data.root),
            sample=[f"--{key}={value}" for key, value in SPEC.data.sample.model_dump().items()]
            + (["--tar"] if SPEC.data.source == "tar" else []),
        message:
            "Rendering the videos and annotations of the sample below {params.root}"
        shell:
            "python scripts/make_sample.py --out={params.root:q} {params.sample} --workers {threads} 2>&1 | tee {log:q}"


rule convert_annotations:
    """Questions of every task as LLaVA conversations, and what was left out and why."""
    input:
        annotations=lambda wildcards: nameable(annotation_files()),
        sample=catalog.sample_videos(SPEC.data),
    output:
        llava=[RUN.llava(split) for split in SPLITS],
        media=[RUN.media(split) for split in SPLITS],
        audit=RUN.audit,
        table=RUN.audit_table,
    log:
        RUN.log("convert_annotations"),
    benchmark:
        RUN.benchmark("convert_annotations")
    conda:
        "../envs/workflow.yaml"
    threads: 2
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_of("convert_annotations"),
        others=lambda wildcards: unnameable(annotation_files()),
        media=lambda wildcards: media_revisions(),
        data=verbatim(SPEC.data.conversion()),
        llava=[f"--{split}={RUN.llava(split)}" for split in SPLITS],
    message:
        f"Converting the questions below {in_message(SPEC.data.root)} to conversations: {', '.join(SPLITS)}"
    shell:
        "python scripts/convert_annotations.py --data {params.data:q} {params.llava:q} --audit {output.audit:q}"
        ' --frames "$ROADTRAIN_FRAMES"'
        " --table {output.table:q} --media-revisions {params.media:q} --workers {threads} 2>&1 | tee {log:q}"


rule write_spec:
    """The spec with every default filled in: what the paper and the report say was run. The first job of every target, since
    watch.py and ask.py read it while the others are at work.
    """
    output:
        RUN.spec,
    log:
        RUN.log("write_spec"),
    benchmark:
        RUN.benchmark("write_spec")
    priority: 2
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("write_spec"),
        spec=verbatim(SPEC.results()),
    message:
        "Writing the spec with every default filled in to {output}"
    shell:
        "python scripts/write_spec.py --spec {params.spec:q} --output {output:q} 2>&1 | tee {log:q}"


rule data:
    """Target: conversations, audit and frames."""
    input:
        [RUN.llava(split) for split in SPLITS],
        RUN.audit,
        RUN.audit_table,
        RUN.spec,
        [RUN.frames(vision, split) for vision in VISIONS for split in SPLITS],
    message:
        "The data are there: conversations, audit and frames"
