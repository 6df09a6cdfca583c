#!/usr/bin/env python3
"""What ranks of the local engine send each other in an optimizer step, counted at a network interface, beside the plan's.

    sudo unshare --net sh -c 'ip link set lo up; PYTHONPATH=scripts python scripts/dev/bench_exchange.py --output bench.json'

The sample's base on CPUs (Gloo), two clips of 16 questions a step, ranks as processes in a network of their own, in which nobody else
sends; a row for each optimizer and number of ranks. Bytes are those that one rank sends, headers included: medians of the steps after the first.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.gpu import big_model, trainer_run
from roadtrain import processes
from roadtrain.files import write_json
from roadtrain.model import flops
from roadtrain.train.logs import read_log
from roadtrain.train.memory import MemoryPlan
from roadtrain.train.preflight.estimate import learning_of
from roadtrain.train.preflight.exchange import exchanged_bytes, link_bytes
from roadtrain.train.toml_config import read_train_run

VIDEOS = 2  # of a step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    processes.adopt_orphans()
    clips = replace(big_model.SMALL, count=VIDEOS * args.steps)
    big_model.write_questions({"nframes": 8}, clips)
    rows: list[dict[str, Any]] = []
    for optimizer in ("AdamW", "Muon"):
        for ranks in args.ranks:
            rows.append({"optimizer": optimizer, "ranks": ranks, **measured(optimizer, ranks, clips)})
            print(json.dumps(rows[-1]), flush=True)
            write_json(
                args.output,
                {"machine": "CPU, Gloo over a loopback of its own", "base": "specs/sample/base", "rows": rows},
            )


def measured(optimizer: str, ranks: int, clips: big_model.Clips) -> dict[str, float]:
    """One run, and the plan's figure. Raises CalledProcessError."""
    weights = trainer_run.new_folder(f"exchange-{optimizer}-{ranks}")
    toml = trainer_run.write_toml(
        weights,
        gpus=1,
        questions=VIDEOS * big_model.QUESTIONS,
        mini_batch=1,
        clips=clips,
        optimizer=f'"{optimizer}"',
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "--"]
    command = [sys.executable, *torchrun, *trainer_run.command(weights, toml)[1:]]
    sent: list[int] = []  # in all, when each step was seen
    with open(weights / "output.log", "wb") as output:
        env = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
        while process.poll() is None:
            if len(read_log(weights / "train_log.jsonl", trainer_run.ALL_STEPS)) > len(sent):
                sent.append(sent_bytes())
            time.sleep(0.01)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, (weights / "output.log").read_text()[-2000:])
    run = read_train_run(toml)
    arch = flops.architecture(run.model)
    assert arch is not None
    planned = exchanged_bytes(run, MemoryPlan(0.0, False, 0.0), learning_of(run, arch), 1, 1)
    steps = [after - before for before, after in zip(sent, sent[1:], strict=False)]
    return {"sent_bytes": statistics.median(steps) / ranks, "planned_bytes": link_bytes(planned, ranks)}


def sent_bytes() -> int:
    """Over the loopback of this process's network, since it is there."""
    line = next(line for line in Path("/proc/self/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


if __name__ == "__main__":
    main()
