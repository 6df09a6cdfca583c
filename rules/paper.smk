"""Accuracy -> the paper's tables and figures, and the report."""

from roadtrain.paper.contents import (
    FIGURE_KINDS,
    FIGURES,
    LEARNING_CURVE,
    PAPER_KINDS,
    REPORT_PARTS,
    TABLE_KINDS,
    TABLES,
)
from roadtrain.spec.curves import learning_curves
from roadtrain.spec.resolved import resolve

FIGURES_OF_RUN = [*FIGURES, *([LEARNING_CURVE] if learning_curves(resolve(SPEC)["ablations"]) else [])]

PUBLISHED = "scripts/roadtrain/results/published.json"
STYLE = "scripts/roadtrain/paper/figure_style.mplstyle"
PREDICTIONS = every(RUN.predictions, lambda ablation: ["zero_shot", *epochs(ablation), *PRECISIONS, *BASELINES])
# Named by their paths where they are inputs: for a rule that takes `rules.X.output`, Snakemake (9.27) looks each of its inputs
# up by the hash of all files of its name, so that thousands of them took a quarter of a plan.
TABLE_FILES = [RUN.paper(f"{table}.{kind}") for table in TABLES for kind in TABLE_KINDS]
FIGURE_FILES = [RUN.paper(f"{figure}.{kind}") for figure in FIGURES for kind in FIGURE_KINDS]
# Everything that says how good a checkpoint is; no weights and no videos are needed from here on.
RESULTS = dict(
    spec=RUN.spec,
    audit=RUN.audit,
    shares=SHARES,
    preflight=[RUN.preflight(ablation) for ablation in ABLATIONS],
    best=[RUN.best(ablation) for ablation in ABLATIONS],
    gate=[RUN.gate(ablation) for ablation in ABLATIONS],
    frames=[RUN.frames(vision, split) for vision in VISIONS for split in SPLITS],
    checkpoints=every(RUN.checkpoint, epochs) + every(RUN.quantized, lambda _: PRECISIONS),
    accuracy=every(RUN.accuracy, lambda ablation: ["zero_shot", *epochs(ablation), *PRECISIONS, *BASELINES]),
)


rule compare:
    """Every pair of checkpoints and ablations: which differences are significant."""
    input:
        spec=RUN.spec,
        predictions=PREDICTIONS,
        best=[RUN.best(ablation) for ablation in ABLATIONS],
        accuracy=RESULTS["accuracy"],  # not read: when scoring changed, comparisons of the same predictions do too
    output:
        RUN.comparisons,
    log:
        RUN.log("compare"),
    benchmark:
        RUN.benchmark("compare")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("compare"),
        evaluate=verbatim(SPEC.evaluate.scoring()),
    message:
        "Comparing every pair of checkpoints"
    shell:
        "python scripts/compare.py --spec {input.spec:q} --evaluate {params.evaluate:q} --output {output:q}"
        " 2>&1 | tee {log:q}"


rule make_tables:
    """Tables of the paper, each as csv, md and tex with the same numbers."""
    input:
        **RESULTS,
        comparisons=RUN.comparisons,
        published=PUBLISHED,
    output:
        [
            report(
                RUN.paper(f"{table}.{kind}"),
                category="Tables",
                caption=f"../templates/captions/{table}.rst",
                labels={"table": table, "format": kind},
            )
            for table in TABLES
            for kind in TABLE_KINDS
        ],
    log:
        RUN.log("make_tables"),
    benchmark:
        RUN.benchmark("make_tables")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("make_tables"),
        directory=lambda wildcards, output: str(Path(output[0]).parent),
    message:
        "Making the paper's tables"
    shell:
        "python scripts/make_tables.py --spec {input.spec:q} --output-dir {params.directory:q} 2>&1 | tee {log:q}"


rule make_figures:
    """Figures of the paper, each as pdf and png."""
    input:
        **RESULTS,
        train_logs=[RUN.train_log(ablation) for ablation in ABLATIONS],
        style=STYLE,
        published=PUBLISHED,
    output:
        [
            report(
                RUN.paper(f"{figure}.{kind}"),
                category="Figures",
                caption=f"../templates/captions/{figure}.rst",
                labels={"figure": figure, "format": kind},
            )
            for figure in FIGURES_OF_RUN
            for kind in FIGURE_KINDS
        ],
    log:
        RUN.log("make_figures"),
    benchmark:
        RUN.benchmark("make_figures")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("make_figures"),
        directory=lambda wildcards, output: str(Path(output[0]).parent),
    message:
        "Making the paper's figures"
    shell:
        "python scripts/make_figures.py --spec {input.spec:q} --output-dir {params.directory:q} 2>&1 | tee {log:q}"


rule make_paper:
    """The tables and figures in order, with sentences generated from the numbers."""
    input:
        **RESULTS,
        comparisons=RUN.comparisons,
        tables=TABLE_FILES,
        figures=FIGURE_FILES,
        published=PUBLISHED,
    output:
        [
            report(
                RUN.paper(f"paper.{kind}"),
                category="Paper",
                caption="../templates/captions/paper.rst",
                labels={"format": kind},
            )
            for kind in PAPER_KINDS
        ],
    log:
        RUN.log("make_paper"),
    benchmark:
        RUN.benchmark("make_paper")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("make_paper"),
        directory=lambda wildcards, output: str(Path(output[0]).parent),
    message:
        "Writing the paper"
    shell:
        "python scripts/make_paper.py --spec {input.spec:q} --output-dir {params.directory:q} 2>&1 | tee {log:q}"


rule make_report:
    """One page, readable without a network, that shows what was run and what came out, question by question."""
    input:
        **RESULTS,
        tables=TABLE_FILES,
        figures=FIGURE_FILES,
        comparisons=RUN.comparisons,
        predictions=PREDICTIONS,
        deploy=rules.deploy.input,
        open_questions=[RUN.open_questions(ablation) for ablation in ABLATIONS if SPEC.open_questions.questions],
        train_logs=[RUN.train_log(ablation) for ablation in ABLATIONS],
        template=[f"templates/report/{part}" for part in REPORT_PARTS],
        style=STYLE,
        published=PUBLISHED,
    output:
        report(RUN.report, category="Report", caption="../templates/captions/report.rst"),
    log:
        RUN.log("make_report"),
    benchmark:
        RUN.benchmark("make_report")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code_of("make_report"),
    message:
        "Writing the report"
    shell:
        "python scripts/make_report.py --spec {input.spec:q} --output {output:q} 2>&1 | tee {log:q}"


rule make_metrics:
    """Accuracy and loss in the form that `dvc metrics` and `dvc plots` read."""
    input:
        spec=RUN.spec,
        shares=SHARES,
        accuracy=RESULTS["accuracy"],
        train_logs=[RUN.train_log(ablation) for ablation in ABLATIONS],
    output:
        metrics=RUN.metrics("metrics.json"),
        accuracy=[RUN.metrics("accuracy", f"{ablation}.csv") for ablation in ABLATIONS],
        loss=[RUN.metrics("loss", f"{ablation}.csv") for ablation in ABLATIONS],
    log:
        RUN.log("make_metrics"),
    benchmark:
        RUN.benchmark("make_metrics")
    conda:
        "../envs/workflow.yaml"
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        code=code_of("make_metrics"),
        directory=lambda wildcards, output: str(Path(output.metrics).parent),
    message:
        "Collecting the metrics"
    shell:
        "python scripts/make_metrics.py --spec {input.spec:q} --output-dir {params.directory:q} 2>&1 | tee {log:q}"


rule paper:
    """Target: every table and figure."""
    input:
        rules.make_tables.output,
        rules.make_figures.output,
        rules.make_paper.output,
        rules.make_metrics.output,
        RUN.comparisons,
    message:
        "The tables, figures and the paper are there"


rule report:
    """Target: the report."""
    input:
        RUN.report,
    message:
        "The report is there"
