"""The machines of one training run: this one alone, those of a Slurm step, or those of a list."""

import os
import subprocess
from dataclasses import dataclass

from roadtrain.cli import UserError


@dataclass(frozen=True)
class Nodes:
    """The machines of a run, and which of them this is."""

    addresses: tuple[str, ...]  # of all nodes, the first has the controller; empty: one node
    index: int = 0  # this one

    @property
    def count(self) -> int:
        """At least one."""
        return max(1, len(self.addresses))

    def options(self, port: int) -> list[str]:
        """cosmos-rl's options. On one node it listens on 127.0.0.1; the nodes of several must reach each other."""
        if self.count == 1:
            return ["--port", str(port)]
        return [
            "--url",
            f"{self.addresses[0]}:{port}",
            "--num-workers",
            str(self.count),
            "--worker-idx",
            str(self.index),
            "--node-ip-list",
            ";".join(self.addresses),
        ]


def find_nodes(node_list: str | None, index: int | None) -> Nodes:
    """From the options, else from the Slurm step (srun with one task a node), else this machine alone. Raises UserError."""
    if node_list:
        addresses = tuple(filter(None, node_list.replace(";", ",").split(",")))
        if len(addresses) > 1 and (index is None or not 0 <= index < len(addresses)):
            raise UserError(f"--node-index: {index}: which of the {len(addresses)} nodes of --nodes this is, from 0")
        return Nodes(addresses, index or 0) if len(addresses) > 1 else Nodes(())
    if int(os.environ.get("SLURM_STEP_NUM_NODES", 1)) < 2:
        return Nodes(())
    if os.environ.get("SLURM_STEP_NUM_TASKS") != os.environ["SLURM_STEP_NUM_NODES"]:
        raise UserError("the Slurm step has several tasks on a node: srun --ntasks-per-node=1 (docs/cluster.md)")
    hostnames = subprocess.run(
        ["scontrol", "show", "hostnames", os.environ["SLURM_STEP_NODELIST"]], capture_output=True, text=True, check=True
    )
    return Nodes(tuple(hostnames.stdout.split()), int(os.environ["SLURM_NODEID"]))
