"""The machines of one training run: this one alone, those of a Slurm step, or those of a list."""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
from argparse import ArgumentParser
from dataclasses import dataclass

from roadtrain.cli import UserError

_SIOCGIFADDR = 0x8915  # Linux: an interface's IPv4 address (netdevice(7))


@dataclass(frozen=True)
class Nodes:
    """The machines of a run, and which of them this is."""

    addresses: tuple[str, ...]  # of all nodes, the first has the controller; empty: one node
    index: int = 0  # this one

    @property
    def count(self) -> int:
        """At least one."""
        return max(1, len(self.addresses))

    @property
    def first(self) -> bool:
        """Has the controller, and the run's lock."""
        return self.index == 0

    def interface(self) -> str:
        """The name of this machine's network interface by which it reaches the others, as Gloo wants to be told it: by
        itself it takes the one of the host's name, which is 127.0.1.1 on Debian. Raises UserError where a name is unknown."""
        other = self.addresses[1] if self.first else self.addresses[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((other, 9))  # sends nothing
                address = probe.getsockname()[0]
                for _, name in socket.if_nameindex():
                    with contextlib.suppress(OSError):  # an interface without an address
                        request = struct.pack("256s", name.encode()[:15])
                        if socket.inet_ntoa(fcntl.ioctl(probe, _SIOCGIFADDR, request)[20:24]) == address:
                            return name
            except OSError as error:
                raise UserError(f"node {other} can't be reached from {socket.gethostname()}: {error}") from None
        raise UserError(f"no network interface has {address}, by which {other} is reached: set GLOO_SOCKET_IFNAME")

    def gloo_variables(self) -> dict[str, str]:
        """What Gloo must be told where there are several nodes and nobody has told it. Raises UserError as interface()."""
        if self.count == 1 or "GLOO_SOCKET_IFNAME" in os.environ:
            return {}
        return {"GLOO_SOCKET_IFNAME": self.interface()}


def add_node_options(parser: ArgumentParser) -> None:
    """--nodes and --node-index, for who starts a run without Slurm."""
    parser.add_argument(
        "--nodes", metavar="A,B,..", help="addresses of all nodes, the controller's first (a Slurm step needs none)"
    )
    parser.add_argument("--node-index", type=int, metavar="N", help="which of --nodes this is, from 0")


def gpus_of_each(gpus: int, nodes: Nodes) -> int:
    """GPUs of a node, when the run has so many. Raises UserError when they can't be shared out evenly."""
    if gpus % nodes.count:
        raise UserError(f"train.gpus: {gpus} can't be shared out evenly to {nodes.count} nodes")
    return gpus // nodes.count


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


def free_port(first: int, host: str = "127.0.0.1") -> int:
    """The first port from `first` on which nobody listens. Raises UserError when 100 are taken."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    raise UserError(f"ports {first} to {first + 99} are all taken: end what listens there")
