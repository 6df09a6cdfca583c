"""The command line that every training engine has: what rules/train.smk passes."""

import argparse
import os
from pathlib import Path


def parser(description: str, threads: str = "CPU threads") -> argparse.ArgumentParser:
    """--toml, --weights, --manifests, --log, --threads. An engine adds what only it has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--toml", required=True, help="the run, rendered by render_toml.py")
    made.add_argument("--weights", required=True, type=Path, help="where checkpoints and state go")
    made.add_argument("--manifests", required=True, type=Path, help="where epoch_<n>.json go")
    made.add_argument("--log", required=True, type=Path, help="train_log.jsonl")
    made.add_argument("--threads", type=int, default=os.cpu_count(), help=f"{threads} (%(default)s)")
    return made
