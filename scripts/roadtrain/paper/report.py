"""The report: what its template is given. The page fetches nothing: pictures, style, script and data are inside."""

import json
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from roadtrain.data.audit_json import leak_sentence
from roadtrain.deploy.contents import LAUNCHERS
from roadtrain.evaluate.caption_predictions import unasked_captions
from roadtrain.files import sha256_file
from roadtrain.markup import csp_hash, quantity, visible
from roadtrain.paper.baselines import baseline_accuracies, not_better_than
from roadtrain.paper.captions import caption
from roadtrain.paper.contents import REPORT_SCRIPTS, REPORT_STYLES, TABLE_KINDS, TITLES, label
from roadtrain.paper.explorer import explorer_data
from roadtrain.paper.failure_page import failures_of
from roadtrain.paper.failures import SURE
from roadtrain.paper.figures import draw_figure, figures_of
from roadtrain.paper.pages import joined, page_environment, svg_address, table_contents
from roadtrain.paper.run_facts import costs, facts
from roadtrain.paper.tables.builders import TABLE_BUILDERS
from roadtrain.paper.tables.captions import caption_course, caption_scores_of
from roadtrain.paper.tables.comparisons import caption_pairs_of_interest, pairs_of_interest
from roadtrain.paper.tables.kinds import has_kinds
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import CONFIDENCE, describe_checkpoint, describe_vision, interval_in_percent, points


def render_report(results: Results, templates: str | Path) -> str:
    """The whole page."""
    env = page_environment(templates)
    env.filters |= {
        "points": points,
        "interval": interval_in_percent,
        "checkpoint": describe_checkpoint,
        "label": label,
        "quantity": quantity,
        "unasked": unasked_captions,
    }
    style, script = (joined(Path(templates, "report"), parts) for parts in (REPORT_STYLES, REPORT_SCRIPTS))
    return env.get_template("report/page.html.j2").render(
        **report_contents(results),
        style=style,
        script=script,
        style_hash=csp_hash(style),
        script_hash=csp_hash(script),
    )


def report_contents(results: Results) -> dict[str, Any]:
    """Everything that the template names, but style and script."""
    comparisons = results.comparisons if results.has_comparisons else None
    absent = set() if comparisons else {"t5_comparisons"}
    absent |= set() if results.has_captions else {"t7_captions"}
    absent |= set() if has_kinds(results) else {"t8_kinds"}
    failures = [failures_of(ablation) for ablation in tqdm(results.ablations, desc="failures", unit="ablation")]
    builders = [build for name, build in TABLE_BUILDERS.items() if name not in absent]
    tables = [table_contents(build(results)) for build in tqdm(builders, desc="tables", unit="table")]
    figures = [name for name in figures_of(results) if results.has_calibration or name != "f5_calibration"]
    return {
        "run": results.run,
        "ablations": [_ablation(ablation) for ablation in results.ablations],
        "facts": facts(results),
        "costs": costs(results),
        "failures": failures,
        "sure_share": f"{SURE:.0%}",
        "confidence": f"{CONFIDENCE} intervals",
        "change_words": {"fixed": "fixed", "broken": "broken", "other": "wrong in another way"},
        "findings": pairs_of_interest(results) if comparisons else [],
        "caption_findings": [
            pair[score] for score in ("captions", "s2") for pair in (caption_pairs_of_interest(results))
        ],
        "caption_method": comparisons["captions"]["method"] if comparisons and "captions" in comparisons else {},
        "has_captions": results.has_captions,
        "seed_findings": results.repeats["pairs"] if results.repeats else [],
        "seed_method": results.repeats["method"] if results.repeats else {},
        "method": comparisons["method"] if comparisons else {},
        "figures": [_figure(name, results) for name in tqdm(figures, desc="figures", unit="figure")],
        "tables": tables,
        "table_kinds": TABLE_KINDS,
        "audit": results.audit,
        "leaks": leak_sentence(results.audit["leaks"]),
        "spec_text": yaml.safe_dump(results.spec, sort_keys=False, allow_unicode=True, width=100),
        "tomls": [(a.name, _read_text(results, results.paths.toml(a.name))) for a in results.ablations],
        "software": _software(results),
        "sources": _sources(results),
        "published": results.published,
        "gate_badges": {"passed": "ok", "failed": "bad", "undecided": "plain"},
        "open_questions": _open_questions(results),
        "data": script_json(visible_in(explorer_data(results))),
    }


def visible_in(value: Any) -> Any:
    """The same JSON with every text in it as a page may show it."""
    if isinstance(value, dict):
        return {visible(key): visible_in(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [visible_in(item) for item in value]
    return visible(value) if isinstance(value, str) else value


def script_json(value: Any) -> str:
    """JSON that may stand in a <script> element whatever the strings in it say."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


def _ablation(ablation: AblationResults) -> dict[str, Any]:
    """Its card, its gate and its launch files."""
    best, zero_shot, verdicts = ablation.best_accuracy, ablation.zero_shot_accuracy, ablation.gate["precisions"]
    return {
        "name": ablation.name,
        "vision": describe_vision(ablation.vision),
        "model": ablation.settings["model"],
        "best": ablation.best["checkpoint"],
        "accuracy": best["accuracy"],
        "ci95": best["ci95"],
        "zero_shot": zero_shot["accuracy"],
        "baselines": baseline_accuracies(ablation),
        "not_better_than": not_better_than(ablation),
        "gain": best["accuracy"] - zero_shot["accuracy"],
        "questions": best["total_questions"],
        "scenarios": best["interval"]["scenarios"],
        "captions": caption_scores_of(ablation),
        "caption_course": caption_course(ablation),
        "published": ablation.published_accuracy,
        "baseline": ablation.gate["baseline"],
        "quantized": [
            (precision, ablation.accuracy(precision)["accuracy"], verdicts.get(precision))
            for precision in ablation.results.precisions
        ],
        "launchers": _launchers(ablation),
    }


def _figure(name: str, results: Results) -> dict[str, str]:
    light, dark = (svg_address(draw_figure(name, results, "svg", dark=dark)) for dark in (False, True))
    return {"name": name, "title": TITLES[name], "caption": caption(name, results), "light": light, "dark": dark}


def _launchers(ablation: AblationResults) -> list[tuple[str, str, str]]:
    """(name, path, text) of the launch files that are there."""
    results = ablation.results
    paths = {name: results.paths.deploy(ablation.name, name) for name in LAUNCHERS}
    return [(name, path, _read_text(results, path)) for name, path in paths.items() if results.at(path).exists()]


def _read_text(results: Results, path: str) -> str:
    """Empty where there is no such file."""
    file = results.at(path)
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def _software(results: Results) -> list[tuple[str, str, str]]:
    """(package, version, what it was used for), one row for each different version."""
    uses: dict[tuple[str, str], list[str]] = {}
    for ablation, checkpoint in results.all_checkpoints():
        name, manifest = f"{ablation.name} {checkpoint}", ablation.manifest(checkpoint)
        for use, versions in (
            (f"evaluation of {name}", ablation.accuracy(checkpoint)["computed_from"].get("software", {})),
            (name, manifest.get("software", {}) if manifest else {}),
        ):
            for package, version in versions.items():
                uses.setdefault((package, str(version)), []).append(use)
    return [
        (package, version, names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else ""))
        for (package, version), names in sorted(uses.items())
    ]


def _sources(results: Results) -> list[tuple[str, str]]:
    """(path, sha256) of every file that the report was made from and that lies among the results."""
    paths = results.paths
    sources = [paths.spec, paths.audit, paths.llava("val"), paths.llava("train"), paths.comparisons]
    for ablation in results.ablations:
        sources += [paths.toml(ablation.name), paths.train_log(ablation.name), paths.gate(ablation.name)]
        for checkpoint in (*results.baselines, *ablation.checkpoints):
            sources += [paths.predictions(ablation.name, checkpoint), paths.accuracy(ablation.name, checkpoint)]
    return [(path, sha256_file(results.at(path))) for path in sources if results.at(path).exists()]


def _open_questions(results: Results) -> list[dict[str, Any]]:
    """Answers to the spec's open questions, where they were asked: results/<run>/<ablation>/open_questions.json."""
    parts = []
    for ablation in results.ablations:
        if answers := results.optional_json(results.paths.open_questions(ablation.name)):
            parts.append({"name": ablation.name, "items": answers.get("items", [])})
    return parts
