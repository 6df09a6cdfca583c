#!/usr/bin/env python3
"""A real Slurm on this one machine, for tests: Debian's slurmctld, slurmd and munged, without systemd or slurmdbd.

    python tests/support/slurm_node.py start DIR [--gpus /dev/nvidia0,/dev/nvidia1]
    python tests/support/slurm_node.py stop DIR

Everything lies in DIR (configuration, key, logs) but for sockets, in /run; the daemons listen on 127.0.0.1. The link
/etc/slurm/slurm.conf is theirs: Snakemake's plugin takes SLURM_CONF from the environment of its jobs. A machine that
has a Slurm of its own is left alone; what a killed test run left is ended by the next start. Needs root, as slurmd does.
The two GPUs are /dev/null and /dev/zero unless said otherwise: Slurm counts and hands them out, nothing computes on them.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

LINK = Path("/etc/slurm/slurm.conf")
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")
DAEMONS = ("slurmd", "slurmctld", "slurmdbd", "munged", "mariadbd")
CPUS, MEMORY_MB = 4, 128_000  # what jobs may ask for in sum: promises only
GPUS = "/dev/null,/dev/zero"
# Seconds: only what hangs takes longer, also on a machine that others keep busy.
START = 300  # to start or end a daemon
LONG = 3600  # all else
# Slurm's limits measure the machine, too: on busy cores a message, a start or an end takes long, and a job more than its time.
PATIENCE = """\
MessageTimeout=100
BatchStartTimeout=600
UnkillableStepTimeout=600
OverTimeLimit=UNLIMITED
# Daemons go before all others (see `daemon`), their jobs don't.
PropagatePrioProcess=1"""
CONFIGURATION = """\
ClusterName=one-node
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={sockets}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={sockets}
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
# A job above its memory is killed, as a cluster with cgroups does.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
MinJobAge=86400
ReturnToService=2
{patience}
# More memory and CPUs than the machine has are fine: GPU jobs ask for much and the tests' programs use little.
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=gpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=long Nodes={host} MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Why no Slurm can be started here, or None."""
    if os.geteuid():
        return "Slurm's daemons are started as root"
    if LINK.exists():
        owner = LINK.resolve().with_name("owner")
        if not owner.is_file():
            return f"this machine has a Slurm of its own: {LINK}"
        pid, began = owner.read_text().split()
        if began == start_of(int(pid)):
            return f"process {pid} has a Slurm for tests here: {LINK.resolve()}"
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)} (make slurm)" if lacking else None


def start(folder: Path, owner: int, gpus: str = GPUS, cpus: int = CPUS) -> None:
    """Start the daemons and wait for the node. RuntimeError when it doesn't come up. What the process `owner` leaves when
    it is killed is ended by the next start."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().split(".")[0]
    configuration = folder / "slurm.conf"
    controller_port, node_port = free_ports(2)
    count = len(gpus.split(","))
    values = dict(
        folder=folder,
        sockets=socket_folder(folder),
        host=host,
        cpus=cpus,
        memory=MEMORY_MB,
        gpus=count,
        patience=PATIENCE,
    )
    configuration.write_text(CONFIGURATION.format(**values, controller_port=controller_port, node_port=node_port))
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu Count={count} File={gpus}\n")
    (folder / "hosts").write_text(f"127.0.0.1 localhost {host}\n")
    claim(folder, owner)
    try:
        start_munge(folder)
        for name in ("slurmctld -c", "slurmd"):  # -c: without the state of a former start
            daemon([*with_hosts(folder), f"exec {name} -f {configuration}"])
        wait_for_nodes(folder, {host})
    except RuntimeError:
        stop(folder)
        raise


def with_hosts(folder: Path) -> list[str]:
    """Begins a command, whose last word is for a shell: what it starts knows hosts by the folder's file alone."""
    return ["unshare", "--mount", "sh", "-c", f'mount --bind {folder}/hosts /etc/hosts && eval "$1"', "sh"]


def wait_for_nodes(folder: Path, names: set[str]) -> None:
    """Wait until the nodes are idle. RuntimeError when they never are."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if states() == dict.fromkeys(names, "idle"):
            return
        time.sleep(0.2)
    tails = "\n".join(f"{log.name}: {log.read_text()[-1500:]}" for log in sorted(folder.glob("slurm*.log")))
    raise RuntimeError(f"the nodes of {folder} are {states() or 'unknown'} after {START} s\n{tails}")


def states() -> dict[str, str]:
    """Each node's state."""
    lines = subprocess.run(["sinfo", "-h", "-N", "-p", "gpu", "-o", "%N %T"], capture_output=True, text=True).stdout
    return dict(line.split() for line in lines.splitlines())


def claim(folder: Path, owner: int) -> None:
    """Make this machine's Slurm that of the folder, as long as the owner lives. What a killed test run left is ended.
    RuntimeError when there is another."""
    if LINK.exists():
        if why := missing():
            raise RuntimeError(why)
        end_all(LINK.resolve().parent)
    folder.chmod(0o755)
    # Nothing here uses cgroups; told which kind they are, slurmd starts where there are none, or both.
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    (folder / "owner").write_text(f"{owner} {start_of(owner)}")
    LINK.parent.mkdir(exist_ok=True)
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(folder / "slurm.conf")


def socket_folder(folder: Path) -> Path:
    """A folder for the daemons' sockets, whose paths may have 107 bytes: pytest's have more. end_all() deletes it."""
    link = folder / "sockets"
    if not link.is_symlink():
        link.symlink_to(tempfile.mkdtemp(prefix="slurm-", dir="/run"))
    return link.resolve()


def start_of(pid: int) -> str | None:
    """When a process began, which tells it from a later one with its number (clock ticks); None when it has ended."""
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if state == "Z" else numbers[18]  # a zombie has ended: nobody has asked yet how


def start_munge(folder: Path) -> None:
    """munged with a key and a socket of its own."""
    key = folder / "munge.key"
    if not key.exists():
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
    munged = ["munged", "--force", f"--socket={folder}/sockets/munge.socket", f"--key-file={key}"]
    munged += [f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log"]
    daemon([*munged, f"--seed-file={folder}/munged.seed"])


def stop(folder: Path) -> None:
    """End every job and the daemons that were started in the folder."""
    if not LINK.is_symlink() or LINK.resolve() != folder / "slurm.conf":
        raise RuntimeError(f"{LINK} is not of {folder}: nothing was stopped")
    subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=START)
    end_all(folder)
    LINK.unlink()


def end_all(folder: Path) -> None:
    """End the daemons that were started in the folder, those first that others don't need, and delete their sockets."""
    for name in DAEMONS:
        for file in [*folder.glob(f"{name}.pid"), *folder.glob(f"{name}-*.pid")]:
            end(file)
    if (folder / "sockets").is_symlink():
        shutil.rmtree((folder / "sockets").resolve(), ignore_errors=True)
        (folder / "sockets").unlink()


def end(pid_file: Path) -> None:
    """SIGTERM to a daemon, if there is one, and wait for it."""
    try:
        pid = int(pid_file.read_text())
        if Path(f"/proc/{pid}/comm").read_text().strip() not in DAEMONS:
            return  # the number is another's by now
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + START
    while start_of(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def daemon(command: list) -> None:
    """Start what goes into the background by itself, before all others on busy cores: it answers in time."""
    must(["nice", "-n", "-15", *command])


def must(command: list) -> None:
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {process.stdout.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["start", "stop"])
    parser.add_argument("folder", type=Path, help="everything of this Slurm lies here")
    parser.add_argument("--gpus", default=GPUS, help="the devices that are its GPUs (%(default)s)")
    parser.add_argument("--cpus", type=int, default=CPUS, help="cores that jobs may ask for in sum (%(default)s)")
    args = parser.parse_args()
    if args.command == "stop":
        stop(args.folder.resolve())
        return
    if why := missing():
        raise SystemExit(f"slurm_node.py: {why}")
    start(args.folder.resolve(), 1, args.gpus, args.cpus)


if __name__ == "__main__":
    main()
