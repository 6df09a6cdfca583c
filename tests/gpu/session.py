"""cosmos-rl on real GPUs, in phases; what each found goes to OUT/report.json as soon as it is known.

    machine       GPUs, driver, software, how long imports take
    base          2B weights at random, in memory
    tiny          the sample through the rule's own command, cosmos-rl's epochs exported and verified
    local         the same TOML, data and seed with the local engine (its own transformers): the curves side by side
    kill          the sample again: SIGKILL to the launcher in the second epoch, then the same command
    shared        2B through cosmos-rl, shared-video, a few steps without checkpoints: questions a second
    per_question  the same, a sequence a question
    two           the sample on two GPUs (skipped where there is one)
    evaluate      every epoch of tiny and local asked the validation questions
    two_shared    2B, shared-video, on two GPUs

Each is a process with a time limit. Most of a phase is cosmos-rl's imports, so they run side by side, on both GPUs where there
are two. A phase that fails, or has to be ended, says so in the report; the others run. Logs of all of them: OUT/logs.tar.xz.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
os.chdir(ROOT)

import phases  # noqa: E402

from roadtrain import process_tree  # noqa: E402

LOG_BYTES = 2_000_000  # of each log, its end
START = 20  # seconds: a phase that would have fewer isn't started


@dataclass(frozen=True)
class Phase:
    limit: int  # seconds
    gpu: int | None = None  # of the visible ones; None: all
    after: tuple[str, ...] = ()  # where they run too, they come first: what they leave is read, or they'd disturb a timing


PLAN = {
    "machine": Phase(60),
    "base": Phase(90, gpu=1),
    "tiny": Phase(180, gpu=0),
    "local": Phase(200, gpu=1),
    "kill": Phase(230, gpu=1),
    "shared": Phase(160, gpu=1, after=("base",)),
    "two": Phase(200),
    "per_question": Phase(180, gpu=0, after=("base",)),
    "evaluate": Phase(90, gpu=0, after=("tiny", "local", "per_question", "shared")),
    "two_shared": Phase(160, after=("base", "shared", "per_question")),
}
ONE_GPU = {"per_question": ("shared",)}  # both would not fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phases", nargs="*", choices=[[], *PLAN], help="all of them")
    parser.add_argument("--site", type=Path, required=True, help="where cosmos-rl's packages are")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.5, help="everything has ended after so long (%(default)s)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)  # one phase, in this process
    args = parser.parse_args()
    args.logs = args.site.parent / "logs"  # not in OUT: few files come back from some machines
    if args.alone:
        alone(args, args.phases[0])
    else:
        Session(args, args.phases or list(PLAN)).run()


def alone(args: argparse.Namespace, name: str) -> None:
    """One phase; its result into <name>.json beside the logs."""
    process_tree.adopt_orphans()  # all that it starts stays below it
    try:
        result = getattr(phases, name)(args)
    except Exception as error:
        traceback.print_exc()
        result = {"failed": f"{type(error).__name__}: {error}"[-2000:]}
    finally:
        process_tree.end_descendants(grace=3)
    (args.logs / f"{name}.json").write_text(json.dumps(result))


def gpus() -> list[str]:
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    asked = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True)
    return asked.stdout.split()


class Session:
    """All phases, side by side where they may be."""

    def __init__(self, args: argparse.Namespace, wanted: list[str]):
        self.args, self.logs = args, args.logs
        self.logs.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + 60 * args.minutes - 10
        self.waiting = [name for name in PLAN if name in wanted]
        self.gpus = gpus()
        self.running: dict[str, tuple[subprocess.Popen, float, float]] = {}  # process, began, must end
        report = args.out / "report.json"
        self.report = json.loads(report.read_text()) if report.exists() else {}

    def run(self) -> None:
        process_tree.adopt_orphans()
        try:
            while self.waiting or self.running:
                for name in list(self.waiting):
                    before = PLAN[name].after + (ONE_GPU.get(name, ()) if len(self.gpus) < 2 else ())
                    if not any(other in self.waiting or other in self.running for other in before):
                        self.start(name)
                for name in list(self.running):
                    self.look(name)
                time.sleep(0.2)
        finally:
            process_tree.end_descendants(grace=3)
            self.pack()

    def start(self, name: str) -> None:
        self.waiting.remove(name)
        now = time.monotonic()
        if self.end - now < START:
            self.tell(name, {"skipped": "no time left"})
            return
        (self.logs / f"{name}.json").unlink(missing_ok=True)
        command = [sys.executable, __file__, name, "--alone", "--site", self.args.site, "--out", self.args.out]
        with open(self.logs / f"{name}.log", "w") as log:
            process = subprocess.Popen(
                list(map(str, command)), env=self.environment(PLAN[name]), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        print(f"=== {name}", flush=True)
        self.running[name] = process, now, min(self.end, now + PLAN[name].limit)

    def environment(self, phase: Phase) -> dict[str, str]:
        mine = self.gpus if phase.gpu is None else self.gpus[phase.gpu % max(1, len(self.gpus)) :][:1]
        return os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(mine)}

    def look(self, name: str) -> None:
        process, began, end = self.running[name]
        if process.poll() is None and time.monotonic() < end:
            return
        result = {}
        if process.poll() is None:
            process_tree.end([*process_tree.descendants(process.pid), process.pid], grace=4)
            result = {"failed": f"ended after {time.monotonic() - began:.0f} s"}
        del self.running[name]
        left = self.logs / f"{name}.json"
        if left.exists():
            result = json.loads(left.read_text()) | ({"ended": result["failed"]} if result else {})  # what it knew by then
        self.tell(name, (result or {"failed": f"exit code {process.returncode}"}) | {"wall_seconds": round(time.monotonic() - began, 1)})

    def tell(self, name: str, result: dict) -> None:
        self.report[name] = result
        (self.args.out / "report.json").write_text(json.dumps(self.report, indent=2))
        print(name, json.dumps(result, indent=2), flush=True)
        if "failed" in result and (log := self.logs / f"{name}.log").exists():
            print(*log.read_text(errors="replace").splitlines()[-40:], sep="\n", flush=True)
        self.pack()

    def pack(self) -> None:
        """Logs and curves as one file, each cut to its end."""
        part = self.args.out / "logs.tar.xz.part"
        with tarfile.open(part, "w:xz", preset=1) as tar:
            for file in sorted(self.logs.iterdir()):
                with open(file, "rb") as stream:
                    size = stream.seek(0, 2)
                    stream.seek(max(0, size - LOG_BYTES))
                    item = tarfile.TarInfo(file.name)
                    item.size = min(size, LOG_BYTES)
                    tar.addfile(item, stream)
        part.replace(self.args.out / "logs.tar.xz")


if __name__ == "__main__":
    main()
