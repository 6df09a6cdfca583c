"""The paper and the report.

In: a run's results, read by the room results. Out: results/<run>/paper/ (tables, figures, paper.md, paper.tex) and
report.html. Begin reading with contents.py, what there is, and document.py, the paper from top to bottom.
"""
