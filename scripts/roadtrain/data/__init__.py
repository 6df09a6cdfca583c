"""Annotations and tables -> questions, and the audit of both.

In: a source of annotations (sources/: WTS, BDD_PC_5K, LLaVA JSON, a table of questions) and the videos they name. Out: a
LLaVA JSON a split, which training and evaluation read as `Question`s, and audit.json: what there is, what was left
out and why.

Begin with question.py (what a question is), sources/base.py (what a source is) and convert.py (one pass from a source
to the files). llava.py is the file format, chunks.py what a worker process does, audit_json.py what audit.json holds.
"""
