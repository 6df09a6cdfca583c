#!/usr/bin/env bash
# Snakemake runs this when it has made envs/cosmos-rl.yaml. cosmos-rl asks for nvidia-nccl-cu12, torch 2.11 for nvidia-nccl-cu13; both
# write nvidia/nccl/lib/libnccl.so.2, and whichever comes last is the one that torch loads. torch's own stays.
set -euo pipefail
wanted=$(python -c 'from importlib.metadata import version; print(version("nvidia-nccl-cu13"))')
python -m pip uninstall --quiet --yes nvidia-nccl-cu12
python -m pip install --quiet --no-deps --force-reinstall "nvidia-nccl-cu13==$wanted"
