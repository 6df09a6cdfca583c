"""git and DVC as a user of docs/dvc.md types them: the tools of this environment, nobody's settings."""

import re
import subprocess
from pathlib import Path

from support.programs import tools
from support.workflow import ROOT


def sh(work: Path, *command: str, ok: bool = True) -> str:
    """Run a command in `work`; its output. With `ok` it must succeed, else fail."""
    env = tools() | {"DVC_NO_ANALYTICS": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{role}_NAME": "test", f"GIT_{role}_EMAIL": "test@example.org"}
    process = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    assert (process.returncode == 0) is ok, process.stdout[-4000:]
    return process.stdout


def blocks_of(section: str) -> list[str]:
    """The ```bash blocks of one section of docs/dvc.md."""
    page = (ROOT / "docs/dvc.md").read_text(encoding="utf-8")
    return re.findall(r"```bash\n(.*?)```", page.split(f"\n## {section}\n")[1].split("\n## ")[0], re.S)


def type_block(work: Path, block: str) -> str:
    """Every line in one shell, up to the first that fails."""
    return sh(work, "bash", "-euc", block)
