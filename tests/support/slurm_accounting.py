"""slurmdbd with MariaDB for a Slurm of the tests: what clusters with accounting have, in the same folder."""

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from support import slurm_node

NEEDED = ("mariadbd", "mariadb-install-db", "slurmdbd", "sacct", "sacctmgr")
# In slurm.conf, instead of accounting_storage/none. The password is where munge listens.
STORAGE = "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost={address}\nAccountingStoragePass={sockets}/munge.socket"
CONFIGURATION = """\
DbdHost={host}
DbdAddr={address}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/sockets/munge.socket
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct_db
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def missing() -> str | None:
    """Why no accounting can be started here, or None."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)} (make slurm)" if lacking else None


def start(folder: Path, host: str, address: str, cluster: str) -> None:
    """Start MariaDB and slurmdbd, which know the cluster; munged runs, slurmctld does not yet. RuntimeError when they don't
    come up."""
    password = secrets.token_hex(16)
    (port,) = slurm_node.free_ports(1)
    data, sql = folder / "mariadb", folder / "mariadb.sql"
    slurm_node.must(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db", "--skip-log-bin"]
    )
    sql.touch(0o600)
    sql.write_text(
        f"CREATE USER slurm@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON slurm_acct_db.* TO slurm@'%';\n"
        "CREATE DATABASE slurm_acct_db;\n"
    )
    server = [
        "mariadbd",
        "--no-defaults",
        f"--datadir={data}",
        "--user=root",
        f"--socket={folder}/sockets/mariadb.socket",
    ]
    server += ["--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve", f"--init-file={sql}"]
    server += [f"--pid-file={folder}/mariadbd.pid", "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900"]
    # By a shell that ends: a child of this process would be there, as a zombie, after its end.
    background = 'log=$1; shift; setsid "$@" > "$log" 2>&1 &'
    slurm_node.daemon(["sh", "-c", background, "sh", folder / "mariadb.log", *server])
    wait_for(lambda: "ready for connections" in (folder / "mariadb.log").read_text(), folder / "mariadb.log")
    configuration = folder / "slurmdbd.conf"
    configuration.touch(0o600)
    configuration.write_text(
        CONFIGURATION.format(host=host, address=address, folder=folder, port=port, password=password)
    )
    slurm_node.daemon(["env", f"SLURM_CONF={folder}/slurm.conf", "slurmdbd"])
    add = ["sacctmgr", "--immediate", "add", "cluster", cluster]
    wait_for(lambda: subprocess.run(add, capture_output=True).returncode == 0, folder / "slurmdbd.log")


def wait_for(true: Callable[[], bool], log: Path) -> None:
    """Until something is true. RuntimeError with the end of the log when it never is."""
    deadline = time.monotonic() + slurm_node.START
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{log}: not ready after {slurm_node.START} s: {log.read_text()[-1500:]}")
        time.sleep(0.2)
