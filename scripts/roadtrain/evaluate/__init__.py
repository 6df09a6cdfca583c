"""Evaluate: how good is a checkpoint?

In: a checkpoint's manifest, the questions of a split, their frames. Out: predictions (a line a question), the accuracy
JSON with its intervals, the best epoch, a challenge's submission, answers to open questions.

Begin with evaluation.py, what both engines share; local.py (over generation.py) and vllm/ ask, predictions.py is the
file between asking and scoring, accuracy.py the numbers, statistics.py their uncertainty.
"""
