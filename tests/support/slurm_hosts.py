"""A real Slurm of several nodes on this one machine, for tests: hosts are network namespaces with an address, a name and a
slurmd each, a bridge connects them, and they see the same files.

    PYTHONPATH=tests python -m support.slurm_hosts start DIR [--nodes 3] [--accounting]
    PYTHONPATH=tests python -m support.slurm_hosts stop DIR

The controller is in the machine's own namespace. Needs root, `ip` and no systemd. Everything lies in DIR but the link
/etc/slurm/slurm.conf and the namespaces; stop removes them.
The two GPUs of a node are /dev/null and /dev/zero: Slurm counts and hands them out, nothing computes on them.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support import slurm_accounting, slurm_node

NETWORK, BRIDGE = "10.87.0", "roadtrain0"
CONTROLLER = f"{NETWORK}.254"
CLUSTER = "several-nodes"
NO_STORAGE = "AccountingStorageType=accounting_storage/none"
CONFIGURATION = """\
ClusterName={cluster}
SlurmctldHost={host}({controller})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={sockets}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={sockets}/%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
{storage}
JobCompType=jobcomp/none
MinJobAge={remembered}
ReturnToService=2
{patience}
# A node that is gone is noticed soon.
SlurmdTimeout=60
# While it runs, a job that lost a node is not started again.
Epilog={folder}/epilog
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=gpu Nodes={names} Default=YES MaxTime=INFINITE State=UP
PartitionName=long Nodes={names} MaxTime=INFINITE State=UP
"""


# A firewall that bridges ask (Docker's) lets hosts speak with the machine but not with each other: nobody listens there,
# and a host that is reached says so.
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=20)
except ConnectionRefusedError:
    pass
"""


def missing() -> str | None:
    """Why no such Slurm can be started here, or None."""
    if why := slurm_node.missing():
        return why
    if shutil.which("ip") is None:
        return "not installed: ip (apt-get install iproute2)"
    try:
        remove_network()
        make_network(2)
        slurm_node.must(["nsenter", f"--net=/run/netns/{host(1)}", sys.executable, "-c", REACH, f"{NETWORK}.2"])
    except RuntimeError as error:
        return f"no hosts as network namespaces here: {error}"
    finally:
        remove_network()
    return None


def host(number: int) -> str:
    """A node's name, which is its namespace's, too."""
    return f"roadtrain-{number}"


def start(folder: Path, owner: int, count: int = 3, accounting: bool = False) -> None:
    """Make the hosts, start the daemons and wait for the nodes. RuntimeError when they don't come up. What the process
    `owner` leaves when it is killed is ended by the next start. With accounting, Slurm itself forgets a job soon after its
    end, as busy clusters do: only slurmdbd knows."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    sockets = slurm_node.socket_folder(folder)
    names = ",".join(host(n) for n in range(1, count + 1))
    nodes = "\n".join(
        f"NodeName={host(n)} NodeAddr={NETWORK}.{n} CPUs=4 RealMemory=128000 Gres=gpu:2 State=UNKNOWN"
        for n in range(1, count + 1)
    )
    known = "127.0.0.1 localhost\n" + "".join(f"{NETWORK}.{n} {host(n)}\n" for n in range(1, count + 1))
    (folder / "hosts").write_text(f"{known}{CONTROLLER} {os.uname().nodename}\n")
    configuration = folder / "slurm.conf"
    machine = os.uname().nodename.split(".")[0]
    configuration.write_text(
        CONFIGURATION.format(
            cluster=CLUSTER,
            sockets=sockets,
            folder=folder,
            host=machine,
            controller=CONTROLLER,
            nodes=nodes,
            names=names,
            storage=slurm_accounting.STORAGE.format(address=CONTROLLER, sockets=sockets) if accounting else NO_STORAGE,
            remembered=2 if accounting else 86400,
            patience=slurm_node.PATIENCE,
        )
    )
    (folder / "epilog").write_text(f"#!/bin/sh\nwhile [ -e {folder}/held ]; do sleep 0.2; done\n")
    (folder / "epilog").chmod(0o755)
    (folder / "gres.conf").write_text("Name=gpu Count=2 File=/dev/null,/dev/zero\n")
    slurm_node.claim(folder, owner)
    try:
        remove_network()
        make_network(count)
        slurm_node.start_munge(folder)
        if accounting:
            slurm_accounting.start(folder, machine, CONTROLLER, CLUSTER)
        start_controller(folder)
        for number in range(1, count + 1):
            start_node(folder, number)
        slurm_node.wait_for_nodes(folder, {host(n) for n in range(1, count + 1)})
    except RuntimeError:
        stop(folder)
        raise


def make_network(count: int) -> None:
    """A bridge, and a namespace with an address on it for each host."""
    slurm_node.must(["ip", "link", "add", BRIDGE, "type", "bridge"])
    slurm_node.must(["ip", "address", "add", f"{CONTROLLER}/24", "dev", BRIDGE])
    slurm_node.must(["ip", "link", "set", BRIDGE, "up"])
    for number in range(1, count + 1):
        name, cable = host(number), f"roadtrain-v{number}"
        slurm_node.must(["ip", "netns", "add", name])
        slurm_node.must(["ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name])
        slurm_node.must(["ip", "link", "set", cable, "master", BRIDGE, "up"])
        slurm_node.must(["ip", "-n", name, "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0"])
        for link in ("eth0", "lo"):
            slurm_node.must(["ip", "-n", name, "link", "set", link, "up"])


def remove_network() -> None:
    """What make_network made, and the processes in it; also when a killed start left it."""
    for number in [number for number in range(1, 10) if Path(f"/run/netns/{host(number)}").exists()]:
        lose_node(number)
        # The kernel takes a namespace's cables away later: at once, so that new ones can have their names.
        subprocess.run(["ip", "link", "delete", f"roadtrain-v{number}"], capture_output=True)
        slurm_node.must(["ip", "netns", "delete", host(number)])
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True)


def cable(number: int, plugged: bool) -> None:
    """Take a host's network away, or give it back."""
    slurm_node.must(["ip", "link", "set", f"roadtrain-v{number}", "up" if plugged else "down"])


def start_controller(folder: Path, *options: str) -> None:
    """slurmctld, with the state of a former start when `options` say so (-R)."""
    slurm_node.daemon(["slurmctld", *(options or ("-c",)), "-f", folder / "slurm.conf"])


def start_node(folder: Path, number: int) -> None:
    """slurmd on a host, under the host's name."""
    (folder / "sockets" / host(number)).mkdir(exist_ok=True)
    space = ["nsenter", f"--net=/run/netns/{host(number)}", "unshare", "--uts", *slurm_node.with_hosts(folder)]
    slurm_node.daemon([*space, f"hostname {host(number)} && exec slurmd -f {folder}/slurm.conf"])


def lose_node(number: int) -> None:
    """A host that loses its power: every process there is killed."""
    processes = subprocess.run(["ip", "netns", "pids", host(number)], capture_output=True, text=True, check=True)
    for pid in map(int, processes.stdout.split()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


@contextlib.contextmanager
def without_node(folder: Path, number: int) -> Iterator[None]:
    """A host has lost its power, and has it again afterwards."""
    lose_node(number)
    try:
        yield
    finally:
        start_node(folder, number)


@contextlib.contextmanager
def held_epilogs(folder: Path) -> Iterator[None]:
    """A job that ends is not through, on the nodes that are left, until afterwards."""
    (folder / "held").touch()
    try:
        yield
    finally:
        (folder / "held").unlink()


def running(number: int) -> list[str]:
    """The commands of the processes on a host, but slurmd's own."""
    processes = subprocess.run(["ip", "netns", "pids", host(number)], capture_output=True, text=True, check=True)
    commands = []
    for pid in processes.stdout.split():
        try:
            commands.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [command for command in commands if not command.startswith(("slurmd", "munged"))]


def end(folder: Path, daemon: str) -> None:
    """End a daemon of the folder and wait for it."""
    slurm_node.end(folder / f"{daemon}.pid")


def stop(folder: Path) -> None:
    """End every job, the daemons and the hosts."""
    if not slurm_node.LINK.is_symlink() or slurm_node.LINK.resolve() != folder / "slurm.conf":
        raise RuntimeError(f"{slurm_node.LINK} is not of {folder}: nothing was stopped")
    subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=slurm_node.START)
    slurm_node.end_all(folder)
    remove_network()
    slurm_node.LINK.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["start", "stop"])
    parser.add_argument("folder", type=Path, help="everything of this Slurm lies here")
    parser.add_argument("--nodes", type=int, default=3, help="how many (%(default)s)")
    parser.add_argument("--accounting", action="store_true", help="with slurmdbd and MariaDB")
    args = parser.parse_args()
    if args.command == "stop":
        stop(args.folder.resolve())
        return
    if why := missing() or (slurm_accounting.missing() if args.accounting else None):
        raise SystemExit(f"slurm_hosts.py: {why}")
    start(args.folder.resolve(), 1, args.nodes, args.accounting)


if __name__ == "__main__":
    main()
