"""The paper: tables and figures in order, with sentences whose numbers come from the results.

One list of blocks, written as Markdown and as LaTeX. Nothing in it is typed by hand but words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from roadtrain.markup import latex, markdown_text
from roadtrain.paper.captions import caption
from roadtrain.paper.contents import LEARNING_CURVE, label
from roadtrain.paper.learning_curve import curves_of, learning_curve_text
from roadtrain.paper.sentences import (
    abstract,
    accuracy_text,
    captions_text,
    comparisons_text,
    data_text,
    gate_text,
    reproduction_text,
    tokens_text,
)
from roadtrain.paper.tables.builders import TABLE_BUILDERS
from roadtrain.paper.tables.kinds import has_kinds
from roadtrain.results.reader import Results

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
    """A section's title."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph, and the address that it ends with."""

    text: str
    url: str = ""  # set at the end


@dataclass(frozen=True)
class TableBlock:
    """A table by its name (paper/contents.py)."""

    name: str


@dataclass(frozen=True)
class FigureBlock:
    """A figure by its name (paper/contents.py), with its caption."""

    name: str
    caption: str


Block = Heading | Text | TableBlock | FigureBlock


def blocks(results: Results) -> Iterator[Block]:
    """The paper from top to bottom."""

    def figure(name: str) -> FigureBlock:
        return FigureBlock(name, caption(name, results))

    yield Text(abstract(results))
    yield Heading("Data")
    yield Text(data_text(results))
    yield TableBlock("t1_data")
    yield TableBlock("t9_sets")
    yield Heading("What the model sees")
    yield Text(tokens_text(results))
    yield TableBlock("t2_tokens")
    yield Heading("Training")
    yield TableBlock("t4_training")
    yield figure("f2_loss")
    yield Heading("Accuracy")
    yield Text(accuracy_text(results))
    yield figure("f1_accuracy")
    yield TableBlock("t3_accuracy")
    yield figure("f3_question_types")
    yield figure("f4_tokens")
    if has_kinds(results):
        yield TableBlock("t8_kinds")
    if curves_of(results):
        yield Heading("Size of the training set")
        yield Text(learning_curve_text(results))
        yield figure(LEARNING_CURVE)
    yield Heading("What differs, and what does not")
    yield Text(comparisons_text(results))
    yield TableBlock("t5_comparisons")
    if results.has_captions:
        yield Heading("Captions")
        yield Text(captions_text(results))
        yield TableBlock("t7_captions")
    if results.precisions:
        yield Heading("Quantization")
        yield Text(gate_text(results))
        yield TableBlock("t6_quantization")
    if results.has_calibration:
        yield Heading("Calibration")
        yield figure("f5_calibration")
    yield Heading("Reproduction")
    yield Text(reproduction_text(results), results.published["url"] if results.published else "")


def paper_markdown(results: Results) -> str:
    """The text of paper.md, which shows the figures' png files."""
    parts = [f"# {results.run}"]
    for block in blocks(results):
        match block:
            case Heading(text):
                parts.append(f"## {text}")
            case Text(text, url):
                parts.append(markdown_text(text) + (f" <{url}>" if url else ""))
            case TableBlock(name):
                parts.append(TABLE_BUILDERS[name](results).md().rstrip())
            case FigureBlock(name, words):
                words = markdown_text(words)
                parts.append(f"![{words}]({name}.png)\n\n**{label(name)}.** {words}")
    return "\n\n".join(parts) + "\n"


def paper_tex(results: Results) -> str:
    """The text of paper.tex, which includes the tables' tex and the figures' pdf files."""
    parts = [PREAMBLE, f"\\title{{{latex(results.run)}}}\n\\date{{}}\n\\begin{{document}}\n\\maketitle"]
    for block in blocks(results):
        match block:
            case Heading(text):
                parts.append(rf"\section{{{latex(text)}}}")
            case Text(text, url):
                parts.append(latex(text) + (rf" \url{{{url}}}" if url else ""))
            case TableBlock(name):
                parts.append(rf"\input{{{name}.tex}}")
            case FigureBlock(name, words):
                parts.append(
                    f"\\begin{{figure}}[htbp]\n\\centering\n\\includegraphics[width=0.7\\textwidth]{{{name}.pdf}}\n"
                    f"\\caption{{{latex(words)}}}\n\\label{{fig:{name}}}\n\\end{{figure}}"
                )
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"
