"""Raw annotations -> LLaVA JSON and its audit."""

if SPEC.data.sample is not None:

    rule make_sample:
        """The bundled sample: traffic scenes in WTS's layout, rendered from a seed."""
        input:
            script="scripts/make_sample.py",
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
            root=lambda wildcards: SPEC.data.root,
            sample=SPEC.data.sample,
        message:
            "Rendering the sample below {params.root}"
        shell:
            "python {input.script} --out {params.root:q} --seed {params.sample.seed}"
            " --train {params.sample.train} --val {params.sample.val} --workers {threads} 2>&1 | tee {log:q}"


rule convert_annotations:
    """Questions of every task as LLaVA conversations, and what was left out and why."""
    input:
        annotations=raw(catalog.input_files(SPEC.data), SPEC.data.root),
        videos=raw(catalog.video_files(SPEC.data), catalog.media_root(SPEC.data, "train")),
        script="scripts/convert_annotations.py",
    output:
        llava=[RUN.llava(split) for split in SPLITS],
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
        data=SPEC.data.conversion(),
        llava=[f"--{split}={RUN.llava(split)}" for split in SPLITS],
    message:
        "Converting the annotations of {params.llava}"
    shell:
        "python {input.script} --data {params.data:q} {params.llava:q} --audit {output.audit:q}"
        " --table {output.table:q} --workers {threads} 2>&1 | tee {log:q}"


rule write_spec:
    """The spec with every default filled in: what the paper and the report say was run."""
    input:
        script="scripts/write_spec.py",
    output:
        RUN.spec,
    log:
        RUN.log("write_spec"),
    benchmark:
        RUN.benchmark("write_spec")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        spec=SPEC.model_dump_json(exclude={"cluster"}),  # who asks for other memory gets the same results
    message:
        "Writing the resolved spec"
    shell:
        "python {input.script} --spec {params.spec:q} --output {output:q} 2>&1 | tee {log:q}"


rule data:
    """Target: conversations, audit and frames."""
    input:
        [RUN.llava(split) for split in SPLITS],
        RUN.audit,
        RUN.audit_table,
        RUN.spec,
        [RUN.frames(vision, split) for vision in VISIONS for split in SPLITS],
