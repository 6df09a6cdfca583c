"""What a finished run says: read from its files, compared, and put beside the published numbers.

In: results/<run>/spec.json and everything that it leads to. Out: comparisons.json, metrics/, copies of the training log,
model cards, two runs beside each other, and (to the paper) typed numbers. Begin reading with reader.py; words.py has how
every number is written, cards.py a card, run_comparison.py runs beside runs.
"""
