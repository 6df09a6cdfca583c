"""What accuracies are measured against, as the paper and the report say it."""

from statistics import fmean

from roadtrain.paths import MAJORITY, TEXT_ONLY
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import percent

NOTE = (
    "Majority answer: for each question the option that was right most often in training, without a model."
    " Best epoch without media: the same prompts, their videos and pictures taken out."
)
_WORDS = {MAJORITY: "the majority answer", TEXT_ONLY: "the best epoch without media"}


def chance(ablation: AblationResults) -> float | None:
    """The accuracy of guessing; None in a run of 0.1."""
    return ablation.zero_shot_accuracy.get("chance")


def baseline_accuracies(ablation: AblationResults) -> dict[str, float]:
    """{baseline in words: its accuracy}, guessing first."""
    guessing = chance(ablation)
    accuracies = {} if guessing is None else {"guessing": guessing}
    return accuracies | {_WORDS[name]: ablation.accuracy(name)["accuracy"] for name in ablation.results.baselines}


def not_better_than(ablation: AblationResults) -> str:
    """A sentence naming the baselines that the best epoch doesn't beat, and how sure that is; empty where it beats all."""
    results, accuracy = ablation.results, ablation.best_accuracy["accuracy"]
    accuracies, best = baseline_accuracies(ablation), (ablation.name, ablation.best["checkpoint"])
    is_significant = {
        pair["a"]["checkpoint"]: pair["significant"]
        for pair in (results.comparisons["pairs"] if results.has_comparisons else [])
        if pair["a"]["ablation"] == ablation.name and (pair["b"]["ablation"], pair["b"]["checkpoint"]) == best
    }
    worse = {name: value for name, value in accuracies.items() if accuracy <= value}
    unsure = {
        words: accuracies[words]
        for name, words in _WORDS.items()
        if not is_significant.get(name, True) and words not in worse
    }
    parts = [
        f"{words} {' or '.join(f'{name} ({percent(value)})' for name, value in which.items())}"
        for words, which in (("not better than", worse), ("not significantly better than", unsure))
        if which
    ]
    return f"That is {', and '.join(parts)}." if parts else ""


def baselines_text(results: Results) -> str:
    """A sentence an ablation: nframes8 is measured against guessing (25.00%), .. Of several seeds the mean."""
    sentences = []
    for name, runs in results.runs.items():
        of_runs = [baseline_accuracies(run) for run in runs]
        means = {key: fmean(accuracies[key] for accuracies in of_runs) for key in of_runs[0]}
        baselines = [f"{baseline} {percent(value)}" for baseline, value in means.items()]
        sentences.append(f"Of {name}'s questions, {', '.join(baselines)} would be right.")
    return " ".join(sentences)
