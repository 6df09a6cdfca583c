"""What a training run will cost, and what is wrong with it, before a GPU is touched. No torch, no frames decoded.

Enters: the run's TOML, its questions, the headers of its videos. Leaves: preflight.json (report.PreflightReport).
Begin with report.py; media.py looks at the videos, tokens.py counts, estimate.py reckons work, time and memory, checks.py
names mistakes, machine.py what isn't there, absent.py what a dry run says.
"""
