"""How busy this machine's GPUs are, as nvidia-smi says."""

import shutil
import subprocess
from dataclasses import dataclass

PATIENCE = 5  # seconds
_COLUMNS = "index,utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True)
class GpuUse:
    """One GPU now. None: nvidia-smi doesn't say (`[N/A]`, as of MIG slices)."""

    index: str
    busy: float | None  # share of the last second in which a kernel ran
    used_mib: float | None
    total_mib: float | None


def gpu_use() -> list[GpuUse]:
    """[] where there is no nvidia-smi, or it doesn't answer."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        text = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_COLUMNS}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    uses = []
    for row in rows:
        if len(row) == 4:
            busy, used, total = map(_number, row[1:])
            uses.append(GpuUse(row[0], None if busy is None else busy / 100, used, total))
    return uses


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
