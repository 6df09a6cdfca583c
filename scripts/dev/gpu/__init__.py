"""Runs on real GPUs: cosmos-rl in phases (session.py), and programs for questions that need one. run.sh begins them."""
