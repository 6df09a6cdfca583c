"""How busy this machine's GPUs are, as nvidia-smi says."""

from dataclasses import dataclass

from roadtrain.results.tool_output import tool_output

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
    text = tool_output("nvidia-smi", f"--query-gpu={_COLUMNS}", "--format=csv,noheader,nounits")
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
