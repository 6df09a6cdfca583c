"""Checkpoint and gate -> launch manifests for NVIDIA NIM, and for vLLM's own image."""

from roadtrain.deploy.contents import FILES as DEPLOY_FILES
from roadtrain.deploy.contents import TEMPLATES as DEPLOY_TEMPLATES


rule render_deploy:
    """How to launch the model. Not written when quantization lost too much (see the gate)."""
    input:
        checkpoint=deployed_checkpoint,
        accuracy=deployed_accuracy,
        gate=RUN.gate("{ablation}"),
        conversations=[RUN.llava(split) for split in SPLITS],
        templates=[f"templates/{name}.j2" for name in DEPLOY_TEMPLATES],
    output:
        [RUN.deploy("{ablation}", name) for name in DEPLOY_FILES],
    log:
        RUN.log("render_deploy", "{ablation}"),
    benchmark:
        RUN.benchmark("render_deploy", "{ablation}")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("render_deploy"),
        deploy=verbatim(SPEC.deploy.launching()),
        run=SPEC.run,
        vision=lambda wildcards: json.dumps(ABLATIONS[wildcards.ablation].vision.settings()),
        max_length=lambda wildcards: ABLATIONS[wildcards.ablation].train.model_max_length,
        spec_hash=lambda wildcards: SPEC.hash(wildcards.ablation),
        directory=lambda wildcards, output: str(Path(output[0]).parent),
    message:
        "Writing the launch manifests of {wildcards.ablation}"
    shell:
        "python scripts/render_deploy.py --checkpoint {input.checkpoint:q} --gate {input.gate:q}"
        " --accuracy {input.accuracy:q} --deploy {params.deploy:q} --run {params.run} --ablation {wildcards.ablation}"
        " --vision {params.vision:q} --max-length {params.max_length} --llava {input.conversations:q}"
        " --spec-hash {params.spec_hash} --templates templates --output-dir {params.directory:q} 2>&1 | tee {log:q}"


rule write_cards:
    """A model card for every exported checkpoint. It is no part of the checkpoint: whoever fills in a licence evaluates
    nothing again. push.py sends it along as README.md.
    """
    input:
        spec=RUN.spec,
        audit=RUN.audit,
        shares=SHARES,
        conversations=[RUN.llava(split) for split in SPLITS],
        best=[RUN.best(ablation) for ablation in ABLATIONS],
        gate=[RUN.gate(ablation) for ablation in ABLATIONS],
        checkpoints=every(RUN.checkpoint, lambda ablation: ["zero_shot", *epochs(ablation)])
        + every(RUN.quantized, lambda _: PRECISIONS),
        accuracy=every(RUN.accuracy, lambda ablation: ["zero_shot", *epochs(ablation), *PRECISIONS, *BASELINES]),
    output:
        every(RUN.card, lambda ablation: [*epochs(ablation), *PRECISIONS]),
    log:
        RUN.log("write_cards"),
    benchmark:
        RUN.benchmark("write_cards")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("write_cards"),
        card=verbatim(SPEC.card.model_dump_json()),
    message:
        "Writing the model cards"
    shell:
        "python scripts/write_cards.py --spec {input.spec:q} --card {params.card:q} 2>&1 | tee {log:q}"


rule cards:
    """Target: the model card of every epoch and every quantized checkpoint."""
    input:
        RUN.spec,
        rules.write_cards.output,
    message:
        "The model cards are there"


rule deploy:
    """Target: the launch manifests of every ablation."""
    input:
        RUN.spec,
        [RUN.deploy(ablation, name) for ablation in ABLATIONS for name in DEPLOY_FILES],
    message:
        "The launch manifests are there"
