"""The report: what its template is given. The page fetches nothing: pictures, style, script and data are inside."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jinja2
import yaml

from roadtrain.files import sha256_file
from roadtrain.paper import figures
from roadtrain.paper.captions import TITLES, caption
from roadtrain.paper.explorer import explorer_data
from roadtrain.paper.table import Number, Table, text
from roadtrain.paper.tables import TABLES, pairs_asked_about
from roadtrain.results.published import published, published_setting
from roadtrain.results.run import (
    AblationResults,
    Results,
    checkpoints_of,
    describe_checkpoint,
    describe_vision,
)


def render(results: Results, templates: str | Path) -> str:
    """The whole page."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "text": text,
        "percent": lambda share, digits=2: f"{share * 100:.{digits}f}%",
        "checkpoint": describe_checkpoint,
    }
    style, script = (Path(templates, f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return env.get_template("report.html.j2").render(
        **contents(results),
        style=style,
        script=script,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )


def contents(results: Results) -> dict[str, Any]:
    """Everything that the template names."""
    tables = {name: make(results) for name, make in TABLES.items() if _has_inputs(name, results)}
    compared = results.optional(results.paths.comparisons)
    return {
        "results": results,
        "run": results.run,
        "summary": [_summary(ablation) for ablation in results.ablations],
        "findings": [row for row in pairs_asked_about(results, compared["pairs"])] if compared else [],
        "method": compared["method"] if compared else {},
        "figures": [_figure(name, results) for name in TITLES if name != "f5_calibration" or _calibrated(results)],
        "tables": [_table(table) for table in tables.values()],
        "audit": results.audit,
        "deploy": [_deploy(ablation) for ablation in results.ablations],
        "spec_text": yaml.safe_dump(results.spec, sort_keys=False, allow_unicode=True, width=100),
        "tomls": [(a.name, _read(results, results.paths.toml(a.name))) for a in results.ablations],
        "software": _software(results),
        "sources": _sources(results),
        "published": published(),
        "open_questions": _open_questions(results),
        "data": safe_json(explorer_data(results)),
    }


def safe_json(value: Any) -> str:
    """JSON that may stand in a <script> element whatever the strings in it say."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for c in "<>&\u2028\u2029":
        said = said.replace(c, f"\\u{ord(c):04x}")
    return said


def _csp_hash(content: str) -> str:
    """What a content security policy calls this very text: the browser runs no other script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _summary(ablation: AblationResults) -> dict[str, Any]:
    best = ablation.accuracy(ablation.best["checkpoint"])
    zero = ablation.accuracy("zero_shot")
    setting = published_setting(ablation.vision)
    return {
        "name": ablation.name,
        "vision": describe_vision(ablation.vision),
        "model": ablation.settings["model"],
        "best": ablation.best["checkpoint"],
        "accuracy": best["accuracy"],
        "ci95": best["ci95"],
        "zero_shot": zero["accuracy"],
        "chance": zero.get("chance"),
        "gain": best["accuracy"] - zero["accuracy"],
        "questions": best["total_questions"],
        "scenarios": best["interval"]["scenarios"],
        "published": setting["accuracy"] if setting else {},
        "gate": ablation.gate,
        "quantized": [
            (p, ablation.accuracy(p)["accuracy"], ablation.gate["precisions"].get(p)) for p in ablation.of.precisions
        ],
    }


def _figure(name: str, results: Results) -> dict[str, str]:
    light, dark = (
        "data:image/svg+xml;base64," + base64.b64encode(figures.draw(name, results, "svg", dark=dark)).decode()
        for dark in (False, True)
    )
    return {"name": name, "title": TITLES[name], "caption": caption(name, results), "light": light, "dark": dark}


def _calibrated(results: Results) -> bool:
    return any("calibration" in a.accuracy(a.best["checkpoint"]) for a in results.ablations)


def _has_inputs(name: str, results: Results) -> bool:
    return name != "t5_comparisons" or results.at(results.paths.comparisons).exists()


def _table(table: Table) -> dict[str, Any]:
    rows = [[(text(cell), isinstance(cell, Number)) for cell in row] for row in table.rows]
    heads = [(column.title, table.numeric(n)) for n, column in enumerate(table.columns)]
    return {
        "name": table.name,
        "title": table.title,
        "caption": table.caption,
        "notes": table.notes,
        "heads": heads,
        "rows": rows,
    }


def _deploy(ablation: AblationResults) -> dict[str, Any]:
    paths = ablation.of.paths
    names = [
        n
        for n in ("docker.sh", "compose.yaml", "nimservice.yaml", "deployment.yaml")
        if ablation.of.at(paths.deploy(ablation.name, n)).exists()
    ]
    files = [
        (name, paths.deploy(ablation.name, name), _read(ablation.of, paths.deploy(ablation.name, name)))
        for name in names
    ]
    return {"name": ablation.name, "files": files}


def _read(results: Results, path: str) -> str:
    file = results.at(path)
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def _software(results: Results) -> list[tuple[str, str, str]]:
    """(package, version, where it was said), one row for each different version."""
    rows: dict[tuple[str, str], list[str]] = {}
    for ablation, checkpoint in checkpoints_of(results):
        said = [
            (
                f"evaluation of {ablation.name} {checkpoint}",
                ablation.accuracy(checkpoint)["computed_from"].get("software", {}),
            )
        ]
        said.append((f"{ablation.name} {checkpoint}", (ablation.manifest(checkpoint) or {}).get("software", {})))
        for where, versions in said:
            for package, version in versions.items():
                rows.setdefault((package, str(version)), []).append(where)
    return [
        (package, version, where[0] + (f" and {len(where) - 1} more" if len(where) > 1 else ""))
        for (package, version), where in sorted(rows.items())
    ]


def _sources(results: Results) -> list[tuple[str, str]]:
    """(path, sha256) of every file that the report was made from and that lies among the results."""
    paths = results.paths
    wanted = [paths.spec, paths.audit, paths.llava("val"), paths.llava("train"), paths.comparisons]
    for ablation in results.ablations:
        wanted += [paths.toml(ablation.name), paths.train_log(ablation.name), paths.gate(ablation.name)]
        for checkpoint in ablation.checkpoints:
            wanted += [paths.predictions(ablation.name, checkpoint), paths.accuracy(ablation.name, checkpoint)]
    return [(path, sha256_file(results.at(path))) for path in wanted if results.at(path).exists()]


def _open_questions(results: Results) -> list[dict[str, Any]]:
    """Answers to the spec's open questions, where they were asked: results/<run>/<ablation>/open_questions.json."""
    found = []
    for ablation in results.ablations:
        answers = results.optional(results.paths.open_questions(ablation.name))
        if answers:
            found.append({"name": ablation.name, "items": answers.get("items", [])})
    return found
