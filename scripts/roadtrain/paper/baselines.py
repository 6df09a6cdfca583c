"""What accuracies are measured against, as the paper and the report say it."""

from roadtrain.paths import MAJORITY, TEXT_ONLY
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import percent

NOTE = (
    "Majority answer: for each question the option that was right most often in training, without a model."
    " Best epoch without media: the same prompts, their videos and pictures taken out."
)


def chance(ablation: AblationResults) -> float | None:
    """The accuracy of guessing; None in a run of 0.1."""
    return ablation.zero_shot_accuracy.get("chance")


def baseline_accuracies(ablation: AblationResults) -> dict[str, float]:
    """{baseline in words: its accuracy}, guessing first."""
    words = {MAJORITY: "the majority answer", TEXT_ONLY: "the best epoch without media"}
    guessing = chance(ablation)
    accuracies = {} if guessing is None else {"guessing": guessing}
    return accuracies | {words[name]: ablation.accuracy(name)["accuracy"] for name in ablation.results.baselines}


def baselines_text(results: Results) -> str:
    """A sentence an ablation: nframes8 is measured against guessing (25.00%), .."""
    sentences = []
    for ablation in results.ablations:
        baselines = [f"{name} {percent(value)}" for name, value in baseline_accuracies(ablation).items()]
        sentences.append(f"Of {ablation.name}'s questions, {', '.join(baselines)} would be right.")
    return " ".join(sentences)
