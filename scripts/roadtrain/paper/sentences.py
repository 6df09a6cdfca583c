"""The paper's text between its tables and figures. Every number in it comes from the results."""

from roadtrain.data.audit_json import leak_sentence
from roadtrain.markup import quantity
from roadtrain.paper.baselines import baselines_text, not_better_than
from roadtrain.paper.seeds import mean_sentence, seeds_text
from roadtrain.paper.tables.captions import caption_course
from roadtrain.paper.tables.comparisons import caption_pairs_of_interest, pairs_of_interest
from roadtrain.results.reader import Results
from roadtrain.results.words import (
    describe_checkpoint,
    describe_vision,
    interval_in_percent,
    percent,
    points,
    tokens_a_video,
)


def abstract(results: Results) -> str:
    """What was trained, and how good the best epoch of each ablation is."""
    parts = []
    for ablation in results.ablations:
        zero_shot, best = ablation.zero_shot_accuracy, ablation.best_accuracy
        captions = caption_course(ablation)
        captions = f" Its caption score goes {captions}, of 100 points." if captions else ""
        parts.append(
            f"With {describe_vision(ablation.vision)} ({ablation.name}) accuracy goes from"
            f" {percent(zero_shot['accuracy'])} zero-shot to {percent(best['accuracy'])}"
            f" ({interval_in_percent(best['ci95'])}) after {describe_checkpoint(ablation.best['checkpoint'])}."
            f"{captions} {not_better_than(ablation)}".rstrip()
        )
    if results.groups:
        parts = [mean_sentence(results, written) for written in results.groups]
    count = quantity(len({ablation.settings["vision_name"] for ablation in results.ablations}), "vision setting")
    models = sorted({ablation.settings["model"] for ablation in results.ablations})
    return f"Run {results.run}: {', '.join(models)} post-trained with {count}. {' '.join(parts)}"


def data_text(results: Results) -> str:
    """What the data holds, and what was left out."""
    parts = []
    for split, part in results.audit["splits"].items():
        videos = part["videos"]
        mean = "" if videos["mean_seconds"] is None else f" of {videos['mean_seconds']:.1f} s on average"
        parts.append(
            f"The split {split} has {part['questions']:,} questions about {videos['good']:,} videos{mean}"
            f" in {part['scenarios']:,} scenarios;"
            f" {quantity(videos['bad'], 'bad video')} and {quantity(part['left_out']['total'], 'question')} were left out"
        )
    return f"{'. '.join(parts)}. {leak_sentence(results.audit['leaks'])}"


def tokens_text(results: Results) -> str:
    """How many vision tokens a video has under each setting."""
    parts = []
    for ablation in results.ablations:
        setting = ablation.published
        beside = f" (the recipe's video takes {setting['vision_tokens']:,})" if setting else ""
        mean = tokens_a_video(ablation.vision_tokens)
        parts.append(f"{ablation.name} shows {mean} vision tokens a video on average{beside}")
    return f"{'; '.join(parts)}."


def accuracy_text(results: Results) -> str:
    """The course of accuracy over epochs, beside published values."""
    parts = []
    for ablation in results.ablations:
        accuracies = [ablation.accuracy(checkpoint) for checkpoint in ablation.unquantized]
        course = ", ".join(percent(accuracy["accuracy"]) for accuracy in accuracies)
        parse = max(abs(accuracy["accuracy"] - accuracy["accuracy_first_capital"]) for accuracy in accuracies)
        parts.append(
            f"{ablation.name}: {course} from zero-shot to epoch {ablation.epochs}; taking the first capital letter as"
            f" the answer, as the recipe does, would differ by up to {points(parse)} points."
        )
        for checkpoint, value in ablation.published_accuracy.items():
            if checkpoint in ablation.checkpoints:
                ours = percent(ablation.accuracy(checkpoint)["accuracy"])
                parts.append(f"Published for {describe_checkpoint(checkpoint)} of this setting: {value}%; here {ours}.")
    return " ".join([baselines_text(results), *parts])


def comparisons_text(results: Results) -> str:
    """Which checkpoints differ, a sentence a pair."""
    pairs = " ".join(pair["in_words"] for pair in pairs_of_interest(results))
    return f"{seeds_text(results)} {pairs}".strip()


def captions_text(results: Results) -> str:
    """Which checkpoints differ in the caption score and in S2, a sentence a pair."""
    pairs = caption_pairs_of_interest(results)
    return " ".join(pair[score]["in_words"] for score in ("captions", "s2") for pair in pairs)


def gate_text(results: Results) -> str:
    """The gate's verdict on each precision."""
    return " ".join(
        f"{ablation.name}, {describe_checkpoint(precision)} against"
        f" {describe_checkpoint(ablation.gate['baseline'])}: {verdict['in_words']}."
        for ablation in results.ablations
        for precision, verdict in ablation.gate["precisions"].items()
    )


def reproduction_text(results: Results) -> str:
    """Ends with a colon where there are published values: the page's address follows."""
    hashes = ", ".join(f"{ablation.name} {ablation.settings['spec_hash']}" for ablation in results.ablations)
    return (
        "These files come from the run's predictions by the target paper; no weights and no videos are needed."
        f" Spec hashes: {hashes}." + (f" Published values: {results.published['source']}:" if results.published else "")
    )
