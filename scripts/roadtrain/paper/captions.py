"""What each figure shows, with its main numbers: its caption, and its alternative text in the report."""

from roadtrain.results.run import Results

TITLES = {
    "f1_accuracy": "Accuracy over epochs",
    "f2_loss": "Training loss and learning rate",
    "f3_question_types": "Accuracy by question type",
    "f4_tokens": "Vision tokens, accuracy, training time",
    "f5_calibration": "Calibration",
}


def caption(name: str, results: Results) -> str:
    """What a figure shows, with its main numbers: also its alternative text."""
    names = " and ".join(a.name for a in results.ablations)
    best = {a.name: a.accuracy(a.best["checkpoint"]) for a in results.ablations}
    if name == "f1_accuracy":
        ends = "; ".join(
            f"{a.name} goes from {a.accuracy('zero_shot')['accuracy']:.1%} to {best[a.name]['accuracy']:.1%}"
            for a in results.ablations
        )
        return f"Validation accuracy after each epoch with 95% bands (bootstrap over scenarios): {ends}."
    if name == "f2_loss":
        ends = "; ".join(
            f"{a.name} from {a.train_log[0]['loss']:.3f} to {a.train_log[-1]['loss']:.3f} in {len(a.train_log):,} steps"
            for a in results.ablations
        )
        return f"Loss on the answer tokens and learning rate at each optimizer step: {ends}."
    if name == "f3_question_types":
        worst = {
            a.name: min(best[a.name]["by_type"].items(), key=lambda item: (item[1]["accuracy"], item[0]))
            for a in results.ablations
        }
        said = "; ".join(f"{n}: {kind} with {row['accuracy']:.1%}" for n, (kind, row) in worst.items())
        return f"Accuracy by question type, zero-shot and best epoch of {names}. Hardest after training: {said}."
    if name == "f4_tokens":
        said = "; ".join(
            f"{a.name} has {sum(c['vision_tokens'] for c in a.frames('val')['clips']) / len(a.frames('val')['clips']):,.0f} tokens"
            f" a video and reaches {best[a.name]['accuracy']:.1%}"
            for a in results.ablations
        )
        return f"Vision tokens a video, accuracy of the best epoch and training time (area): {said}."
    calibrated = [a for a in results.ablations if "calibration" in best[a.name]]
    said = "; ".join(
        f"{a.name} has an expected calibration error of {best[a.name]['calibration']['ece']:.3f}" for a in calibrated
    )
    return f"Probability that the model gives its answer against how often it is right. {said or 'No probabilities were recorded'}."
