"""What a run ends with on the screen: accuracy, the gate, the report's path. From its files alone."""

from collections.abc import Iterator
from pathlib import Path

from roadtrain.markup import quantity
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import describe_checkpoint, interval_in_percent, percent


def closing_lines(spec: str | Path) -> list[str]:
    """One line an ablation and one for what can be opened, of whatever is there; [] where nothing was evaluated yet. `spec`: a
    run's spec.json."""
    if not Path(spec).exists():
        return []
    results = Results.load(spec)
    lines = [line for ablation in results.ablations for line in _of_ablation(ablation)]
    report = results.at(results.paths.report)
    if report.exists():
        lines.append(f"The report: {results.paths.report}")
    return lines


def _of_ablation(ablation: AblationResults) -> Iterator[str]:
    results = ablation.results
    if not results.at(results.paths.best(ablation.name)).exists():
        return
    best = ablation.best["checkpoint"]
    if not results.at(results.paths.accuracy(ablation.name, best)).exists():
        return
    accuracy = ablation.accuracy(best)
    words = f"{describe_checkpoint(best)} {percent(accuracy['accuracy'])} ({interval_in_percent(accuracy['ci95'])})"
    if results.at(results.paths.accuracy(ablation.name, "zero_shot")).exists():
        words += f", {describe_checkpoint('zero_shot')} {percent(ablation.zero_shot_accuracy['accuracy'])}"
    yield f"{ablation.name}: {words}, on {quantity(accuracy['total_questions'], 'question')}"
    if results.at(results.paths.gate(ablation.name)).exists():
        for precision, verdict in ablation.gate["precisions"].items():
            after = percent(verdict["accuracy"])
            yield f"{ablation.name}: {precision} {after}: the gate {_VERDICTS[verdict['outcome']]}"


_VERDICTS = {
    "passed": "is passed",
    "failed": "FAILED: it lost too much, and is not deployed",
    "undecided": "is undecided: too few scenarios to tell",
}
