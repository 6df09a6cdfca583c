"""What the paper is made of: the names and titles of its tables and figures, and the files of each.

Rules read this too: it imports nothing.
"""

# {name of the files: title}, in the order of their numbers.
TABLES = {
    "t1_data": "Data",
    "t2_tokens": "Vision tokens",
    "t3_accuracy": "Accuracy",
    "t4_training": "Training",
    "t5_comparisons": "Comparisons",
    "t6_quantization": "Quantization",
    "t7_captions": "Captions",
    "t8_kinds": "Kinds of answers",
    "t9_sets": "Data sets",
}
FIGURES = {
    "f1_accuracy": "Accuracy over epochs",
    "f2_loss": "Training loss and learning rate",
    "f3_question_types": "Accuracy by question type",
    "f4_tokens": "Vision tokens, accuracy, training time",
    "f5_calibration": "Calibration",
}
# Of a run that has one (spec/curves.py), and only there.
LEARNING_CURVE = "f6_learning_curve"
TITLES = FIGURES | {LEARNING_CURVE: "Accuracy over the size of the training set"}
TABLE_KINDS = ("csv", "md", "tex")
FIGURE_KINDS = ("pdf", "png")
PAPER_KINDS = ("md", "tex")


def label(name: str) -> str:
    """What the text calls a table or a figure: t1_data -> T1."""
    return name.partition("_")[0].upper()


# The report's page (templates/report/): scripts are joined in this order, each uses what those before it define.
REPORT_SCRIPTS = ("theme.js", "answers.js", "view.js", "pictures.js", "items.js", "explorer.js", "captions.js")
REPORT_STYLES = ("style.css", "tables.css", "failures.css", "explorer.css", "captions.css")
REPORT_PAGES = ("page.html.j2", "summary.html.j2", "failures.html.j2", "captions.html.j2", "table.html.j2")
REPORT_PARTS = (*REPORT_PAGES, *REPORT_STYLES, *REPORT_SCRIPTS)
