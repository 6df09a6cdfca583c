"""The paper: tables and figures in order, with sentences whose numbers come from the results.

One list of blocks, written as Markdown and as LaTeX. Nothing in it is typed by hand but words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from roadtrain.paper.captions import caption
from roadtrain.paper.table import count, latex, markdown_text
from roadtrain.paper.tables import TABLES, pairs_asked_about
from roadtrain.results.published import published, published_setting
from roadtrain.results.run import Results, describe_checkpoint, describe_vision

PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage[utf8]{inputenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{url}
\setlength{\tabcolsep}{4pt}"""


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Text:
    text: str
    url: str = ""  # set at the end


@dataclass(frozen=True)
class TableBlock:
    name: str


@dataclass(frozen=True)
class FigureBlock:
    name: str
    caption: str


Block = Heading | Text | TableBlock | FigureBlock


def blocks(results: Results) -> Iterator[Block]:
    """The paper from top to bottom."""
    yield Text(abstract(results))
    yield Heading("Data")
    yield Text(data_sentence(results))
    yield TableBlock("t1_data")
    yield Heading("What the model sees")
    yield Text(tokens_sentence(results))
    yield TableBlock("t2_tokens")
    yield Heading("Training")
    yield TableBlock("t4_training")
    yield FigureBlock("f2_loss", caption("f2_loss", results))
    yield Heading("Accuracy")
    yield Text(accuracy_sentences(results))
    yield FigureBlock("f1_accuracy", caption("f1_accuracy", results))
    yield TableBlock("t3_accuracy")
    yield FigureBlock("f3_question_types", caption("f3_question_types", results))
    yield FigureBlock("f4_tokens", caption("f4_tokens", results))
    yield Heading("What differs, and what does not")
    yield Text(comparison_sentences(results))
    yield TableBlock("t5_comparisons")
    if results.precisions:
        yield Heading("Quantization")
        yield Text(gate_sentences(results))
        yield TableBlock("t6_quantization")
    if any("calibration" in a.accuracy(a.best["checkpoint"]) for a in results.ablations):
        yield Heading("Calibration")
        yield FigureBlock("f5_calibration", caption("f5_calibration", results))
    yield Heading("Reproduction")
    yield Text(reproduction(results), published()["url"])


def abstract(results: Results) -> str:
    said = []
    for a in results.ablations:
        zero, best = a.accuracy("zero_shot"), a.accuracy(a.best["checkpoint"])
        low, high = best["ci95"]
        said.append(
            f"With {describe_vision(a.vision)} ({a.name}) accuracy rises from {zero['accuracy']:.2%} zero-shot to {best['accuracy']:.2%}"
            f" (95% interval {low:.2%} to {high:.2%}) after {describe_checkpoint(a.best['checkpoint'])}."
        )
    models = sorted({a.settings["model"] for a in results.ablations})
    return f"Run {results.run}: {', '.join(models)} post-trained with {len(results.ablations)} vision settings. {' '.join(said)}"


def data_sentence(results: Results) -> str:
    parts = []
    for split, part in results.audit["splits"].items():
        videos = part["videos"]
        mean = "" if videos["mean_seconds"] is None else f" of {videos['mean_seconds']:.1f} s on average"
        parts.append(
            f"The split {split} has {part['questions']:,} questions about {videos['good']:,} videos{mean} in {part['scenarios']:,} scenarios;"
            f" {count(videos['bad'], 'bad video')} and {count(part['left_out']['total'], 'question')} were left out"
        )
    leaks = results.audit["leaks"]["total"]
    shared = (
        "No scenario is in two splits."
        if not leaks
        else f"{count(leaks, 'scenario')} in two splits: validation is not unseen."
    )
    return f"{'. '.join(parts)}. {shared}"


def tokens_sentence(results: Results) -> str:
    parts = []
    for a in results.ablations:
        clips = a.frames("val")["clips"]
        mean = sum(c["vision_tokens"] for c in clips) / len(clips)
        setting = published_setting(a.vision)
        beside = f" (the recipe's video takes {setting['vision_tokens']:,})" if setting else ""
        parts.append(f"{a.name} shows {mean:,.0f} vision tokens a video on average{beside}")
    return f"{'; '.join(parts)}."


def accuracy_sentences(results: Results) -> str:
    said = []
    for a in results.ablations:
        found = [a.accuracy(c) for c in a.checkpoints if c not in results.precisions]
        course = ", ".join(f"{one['accuracy']:.2%}" for one in found)
        parse = max(abs(one["accuracy"] - one["accuracy_first_capital"]) for one in found)
        said.append(
            f"{a.name}: {course} from zero-shot to epoch {a.epochs}; taking the first capital letter as the answer, as the recipe does,"
            f" would differ by up to {parse * 100:.2f} points."
        )
        setting = published_setting(a.vision)
        for checkpoint, value in (setting or {"accuracy": {}})["accuracy"].items():
            if checkpoint in a.checkpoints:
                ours = a.accuracy(checkpoint)["accuracy"]
                said.append(
                    f"Published for {describe_checkpoint(checkpoint)} of this setting: {value}%; here {ours:.2%}."
                )
    return " ".join(said)


def comparison_sentences(results: Results) -> str:
    found = results.json(results.paths.comparisons)
    return " ".join(row["in_words"] for row in pairs_asked_about(results, found["pairs"]))


def gate_sentences(results: Results) -> str:
    return " ".join(
        f"{a.name}, {describe_checkpoint(precision)} against {describe_checkpoint(a.gate['baseline'])}: {verdict['in_words']}."
        for a in results.ablations
        for precision, verdict in a.gate["precisions"].items()
    )


def reproduction(results: Results) -> str:
    hashes = ", ".join(f"{a.name} {a.settings['spec_hash']}" for a in results.ablations)
    said = published()
    return (
        f"These files come from the run's predictions by the target paper; no weights and no videos are needed. Spec hashes: {hashes}."
        f" Published values: {said['source']}:"
    )


def markdown(results: Results) -> str:
    parts = [f"# {results.run}"]
    for block in blocks(results):
        match block:
            case Heading(text):
                parts.append(f"## {text}")
            case Text(text, url):
                parts.append(markdown_text(text) + (f" <{url}>" if url else ""))
            case TableBlock(name):
                parts.append(TABLES[name](results).md().rstrip())
            case FigureBlock(name, said):
                parts.append(f"![{markdown_text(said)}]({name}.png)\n\n**{name[:2].upper()}.** {markdown_text(said)}")
    return "\n\n".join(parts) + "\n"


def tex(results: Results) -> str:
    parts = [PREAMBLE, f"\\title{{{latex(results.run)}}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle"]
    for block in blocks(results):
        match block:
            case Heading(text):
                parts.append(rf"\section{{{latex(text)}}}")
            case Text(text, url):
                parts.append(latex(text) + (rf" \url{{{url}}}" if url else ""))
            case TableBlock(name):
                parts.append(rf"\input{{{name}.tex}}")
            case FigureBlock(name, said):
                parts.append(
                    f"\\begin{{figure}}[htbp]\n\\centering\n\\includegraphics[width=0.7\\textwidth]{{{name}.pdf}}\n"
                    f"\\caption{{{latex(said)}}}\n\\label{{fig:{name}}}\n\\end{{figure}}"
                )
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"
