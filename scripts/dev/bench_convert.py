#!/usr/bin/env python3
"""Time and memory of converting annotations: convert_annotations.py against the plain approach.

Writes a WTS tree of annotations (no videos) below a temporary folder: 16 environment questions a scenario, 1.5
cameras a scenario on average, so that 1,000,000 questions are 41,667 scenarios and 62,500 videos. Converts its
training split with both programs, in turns, and compares the entries (of up to 200,000 questions).

The plain approach is what the recipe's data_preprocess.py does, written anew below: list the folder, json.load
each scenario's file, build every entry as a dict in one list, json.dump the list with indent=4. It checks nothing
and counts nothing. Ours is convert_annotations.py as it is: it checks the spec's section and every question, looks
for duplicates, contradictions and leaks and writes audit.json. Both are measured from the start of Python to the
exit; a tree of one scenario shows what of that is the start. Neither looks at videos (there are none).

Output: <name>.json (every measurement, the machine, the command) and <name>.png (a plot), in --output-dir.

    PYTHONPATH=scripts python scripts/dev/bench_convert.py --sizes 10000 100000 1000000
"""

import argparse
import inspect
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dev.annotation_tree import write_tree
from dev.machine import cpu
from roadtrain import cli
from roadtrain.files import whole_file, write_json

CONVERT = Path(__file__).parents[1] / "convert_annotations.py"
ONE_SCENARIO = 16  # questions
COMPARED = 200_000  # questions whose entries are compared: it takes more memory than converting them


def plain(root: str, output: str) -> None:
    """The recipe's way. Its source is a program of its own: see `command`."""
    entries = []
    for folder in (f"{root}/annotations/vqa/train", f"{root}/annotations/vqa/train/normal_trimmed"):
        if not os.path.isdir(folder):
            continue
        for name in os.listdir(folder):
            path = os.path.join(folder, name, "environment", f"{name}.json")
            if not os.path.exists(path):
                continue
            with open(path) as stream:
                record = json.load(stream)[0]
            for video in record["overhead_videos"]:
                place = os.path.join(name, "overhead_view", video)
                if folder.endswith("normal_trimmed"):
                    place = "normal_trimmed/" + place
                for n, row in enumerate(record["environment"]):
                    prompt = f"<video> \n {row['question']} \n "
                    for letter in ("a", "b", "c", "d"):
                        if letter in row:
                            prompt += f"{letter.upper()}: {row[letter]} \n "
                    prompt += "\nAnswer with the option's letter from the given choices directly."
                    entries.append(
                        {
                            "id": f"{video[:-4]}_{n}",
                            "wts_id": record["id"],
                            "video": place,
                            "type": "environment",
                            "phase": "full_video",
                            "conversations": [
                                {"from": "human", "value": prompt},
                                {"from": "gpt", "value": row["correct"].upper()},
                            ],
                        }
                    )
    with open(output, "w") as stream:
        json.dump(entries, stream, indent=4)


def command(method: str, root: Path, out: Path, workers: int) -> list[str]:
    """A program as a user starts it. The plain one imports nothing but json, os and sys."""
    if method == "plain":
        code = f"import json, os, sys\n{inspect.getsource(plain)}plain(*sys.argv[1:3])\n"
        return [sys.executable, "-c", code, str(root), str(out / "train.json")]
    options = ["--check-videos", "none", "--workers", str(workers)]
    outputs = ["--train", str(out / "train.json"), "--audit", str(out / "audit.json")]
    return [sys.executable, str(CONVERT), "--root", str(root), *outputs, *options]


def run_one(method: str, root: Path, out: Path, workers: int) -> dict:
    """One conversion: wall and CPU seconds (of all its processes) from the start of Python to its exit."""
    out.mkdir(exist_ok=True)
    start, before = time.perf_counter(), children_cpu()
    subprocess.run(
        command(method, root, out, workers), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seconds, cpu_seconds = time.perf_counter() - start, children_cpu() - before
    return {"method": method, "workers": workers, "seconds": seconds, "cpu_seconds": cpu_seconds}


def children_cpu() -> float:
    """CPU seconds of finished child processes and theirs: a machine that is busy otherwise doesn't distort them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ru_maxrss of a process won't do: it begins with the peak of the one that started it.
PEAK = """
import os, resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if os.path.exists("/proc/self/status"):
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak / 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def peak_mib(method: str, root: Path, out: Path, workers: int) -> float:
    """MiB of memory, in a run of its own: the peak of the process plus, with several, the highest peak of a worker
    times the workers. An upper bound: pages that they share are counted again."""
    out.mkdir(exist_ok=True)
    program = command(method, root, out, workers)
    if method == "plain":
        program[2] += PEAK
    else:
        start = "import runpy, sys\nsys.argv.pop(0)\nsys.path.insert(0, sys.argv[0].rpartition('/')[0])\n"
        program[1:1] = ["-c", start + "runpy.run_path(sys.argv[0], run_name='__main__')" + PEAK]
    process = subprocess.run(program, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    parent, child = map(float, process.stdout.splitlines()[-1].split())
    return parent + (workers * child if method == "ours" and workers > 1 else 0)


def same_entries(plain: Path, ours: Path) -> bool:
    """Equal by id, key for key in the same order, before the two keys that ours adds at the end."""
    recipe = {entry["id"]: list(entry.items()) for entry in json.loads(plain.read_text())}
    entries = {entry["id"]: list(entry.items()) for entry in json.loads(ours.read_text())}
    added = all([key for key, _ in items[-2:]] == ["question", "options"] for items in entries.values())
    return added and recipe == {name: items[:-2] for name, items in entries.items()}


def compare(
    sizes: list[int], repeats: int, workers: list[int], scratch: Path, save: Callable[[list[dict]], None]
) -> None:
    """Every method at every size, the first of which says what it takes to start. The best of `repeats` in turns.

    `save` gets what there is after each size: deleting the tree of a million questions takes longer than a conversion.
    """
    rows: list[dict] = []
    for size in (ONE_SCENARIO, *sizes):
        with tempfile.TemporaryDirectory(prefix="roadtrain-bench-", dir=scratch) as folder:
            root = Path(folder, "wts")
            count = write_tree(root, size)
            methods = [("plain", 1)] + [("ours", n) for n in workers]
            runs = [run_one(m, root, Path(folder, f"{m}{n}"), n) for _ in range(repeats) for m, n in methods]
            wrote = {(m, n): Path(folder, f"{m}{n}/train.json") for m, n in methods}
            if count <= COMPARED and not all(same_entries(wrote["plain", 1], wrote["ours", n]) for n in workers):
                raise cli.UserError("the two programs wrote different entries")
            for m, n in methods:
                mine = [run for run in runs if (run["method"], run["workers"]) == (m, n)]
                best = {what: min(run[what] for run in mine) for what in ("seconds", "cpu_seconds")}
                mib, size_out = peak_mib(m, root, wrote[m, n].parent, n), wrote[m, n].stat().st_size
                rows.append(
                    {
                        "questions": count,
                        "method": m,
                        "workers": n,
                        **best,
                        "mib": mib,
                        "bytes": size_out,
                        "all_seconds": [run["seconds"] for run in mine],
                    }
                )
                rows[-1] |= ratios(rows)
                print(line(rows[-1]), flush=True)
            save(rows)


def ratios(rows: list[dict]) -> dict[str, float]:
    """The last row to the plain approach: whole programs, and without what each takes for a single scenario."""
    row = rows[-1]
    start = {(r["method"], r["workers"]): r for r in rows[::-1] if r["questions"] == rows[0]["questions"]}
    base = next(r for r in rows[::-1] if r["method"] == "plain")
    gains = {}
    for what, name in (("seconds", "speedup"), ("cpu_seconds", "cpu_speedup")):
        gains[name] = base[what] / row[what]
        if row["questions"] > rows[0]["questions"]:
            seconds = row[what] - start[row["method"], row["workers"]][what]
            gains[f"{name}_beyond_start"] = (base[what] - start["plain", 1][what]) / seconds
    return gains


def line(row: dict) -> str:
    beyond = (
        f" ({row['speedup_beyond_start']:.1f}x, CPU {row['cpu_speedup_beyond_start']:.1f}x beyond the start)"
        if "speedup_beyond_start" in row
        else ""
    )
    return (
        f"{row['questions']:>9,} questions  {row['method']:>5} {row['workers']} process(es): {row['seconds']:7.2f} s"
        f"  CPU {row['cpu_seconds']:7.2f} s  {row['mib']:6.0f} MiB  {row['speedup']:4.1f}x, CPU {row['cpu_speedup']:4.1f}x{beyond}"
    )


def plot(rows: list[dict], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for key in dict.fromkeys((row["method"], row["workers"]) for row in rows):
        mine = [row for row in rows if (row["method"], row["workers"]) == key]
        label = "plain approach" if key[0] == "plain" else f"Roadtrain, {key[1]} process{'es' * (key[1] > 1)}"
        for axis, what in zip(axes, ("cpu_seconds", "mib"), strict=True):
            axis.loglog([row["questions"] for row in mine], [row[what] for row in mine], "o-", label=label)
    for axis, title in zip(axes, ("CPU time from start to exit (s)", "peak memory (MiB)"), strict=True):
        axis.set(xlabel="questions", title=title)
        axis.grid(alpha=0.3, which="both")
    axes[0].legend(frameon=False)
    with whole_file(path, "wb") as stream:
        figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="QUESTIONS")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the best counts (default: 3)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes of ours (default: 1 2)")
    parser.add_argument("--scratch", type=Path, help="where the tree is written for the while (default: the system's)")
    parser.add_argument("--output-dir", type=Path, default=Path("docs/figures"), help="default: docs/figures")
    parser.add_argument("--name", default="bench_convert", help="of the files (default: bench_convert)")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    sizes = " ".join(map(str, args.sizes))

    def save(rows: list[dict]) -> None:
        machine: dict[str, Any] = {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.system(),
        }
        machine["load"] = [round(load, 1), round(os.getloadavg()[0], 1)]  # before and after
        report = {
            "command": f"PYTHONPATH=scripts python scripts/dev/bench_convert.py --sizes {sizes} --repeats {args.repeats}",
            "machine": machine,
            "baseline": "plain approach: see the program's docstring",
            "runs": rows,
        }
        write_json(args.output_dir / f"{args.name}.json", report)
        plot(rows, args.output_dir / f"{args.name}.png")

    compare(args.sizes, args.repeats, args.workers, args.scratch, save)


if __name__ == "__main__":
    main()
