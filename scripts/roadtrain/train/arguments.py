"""The command line that every training engine has: what rules/train.smk passes."""

import argparse
import os
from pathlib import Path


def training_parser(description: str, threads: str = "CPU threads") -> argparse.ArgumentParser:
    """--toml, --weights, --manifests, --log, --threads. An engine adds what only it has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", required=True, help="the run, rendered by render_toml.py")
    parser.add_argument("--weights", required=True, type=Path, help="where checkpoints and state go")
    parser.add_argument("--manifests", required=True, type=Path, help="where epoch_<n>.json go")
    parser.add_argument("--log", required=True, type=Path, help="train_log.jsonl")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help=f"{threads} (%(default)s)")
    return parser
