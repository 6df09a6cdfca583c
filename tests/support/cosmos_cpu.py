"""Runs in cosmos-rl's own environment, started by test_cosmos_rl.py: prints what cosmos_step.py reports, as one JSON object.

PYTHONPATH=scripts:tests python -m support.cosmos_cpu shared.toml apart.toml
"""

import json
import sys

import torch
import torch.distributed.pipelining.stage as stage

from roadtrain import torchvision_cpu


def main(shared_toml: str, apart_toml: str) -> None:
    # cosmos-rl's trainer imports a private name, for pipeline parallelism, that torch 2.12 lost; the only CPU build that
    # everybody can have is newer. Nothing here uses it, and scripts/cosmos_sft.py refuses such a torch.
    if not hasattr(stage, "_RootArgPlaceholder"):
        stage._RootArgPlaceholder = object
    torchvision_cpu.ensure()
    torch.set_num_threads(1)
    from support import cosmos_step  # imports cosmos-rl

    print("REPORT " + json.dumps(cosmos_step.report(shared_toml, apart_toml)))


if __name__ == "__main__":
    main(*sys.argv[1:])
