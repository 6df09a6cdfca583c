"""cosmos-rl on real GPUs, in phases; what each found goes to OUT/report.json as soon as it is known.

    machine    GPUs, driver, software
    tiny       the sample through the rule's own command, cosmos-rl's epochs exported and verified
    local      the same TOML, data and seed with the local engine (its own transformers): the curves side by side
    evaluate   every epoch of both asked the validation questions
    base       2B weights at random, in memory
    big        the same sizes through cosmos-rl, per question and shared, a few steps without checkpoints: questions a second
    kill       the sample again: SIGKILL to the launcher in the second epoch, then the same command
    two        the sample on two GPUs, then the 2B shared (skipped where there is one)

Each is a process with a time limit. A phase that fails, or has to be ended, says so in the report; the others run.
Logs of all of them: OUT/logs.tar.xz.
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
    after: tuple[str, ...] = ()  # where they run too, they come first: what they leave is read, or the GPU is to be quiet


PLAN = {
    "machine": Phase(30),
    "base": Phase(60),
    "tiny": Phase(110),
    "local": Phase(90),
    "evaluate": Phase(45, ("tiny", "local")),
    "big": Phase(150, ("base", "tiny", "local")),
    "kill": Phase(150, ("tiny", "big")),
    "two": Phase(170, ("base", "tiny", "big", "kill")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phases", nargs="*", choices=[[], *PLAN], help="all of them")
    parser.add_argument("--site", type=Path, required=True, help="where cosmos-rl's packages are")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.5, help="everything has ended after so long (%(default)s)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)  # one phase, in this process
    args = parser.parse_args()
    if args.alone:
        alone(args, args.phases[0])
    else:
        Session(args, args.phases or list(PLAN)).run()


def alone(args: argparse.Namespace, name: str) -> None:
    """One phase; its result into OUT/logs/<name>.json."""
    process_tree.adopt_orphans()  # all that it starts stays below it
    try:
        result = getattr(phases, name)(args)
    except Exception as error:
        traceback.print_exc()
        result = {"failed": f"{type(error).__name__}: {error}"[-2000:]}
    finally:
        process_tree.end_descendants(grace=3)
    (args.out / "logs" / f"{name}.json").write_text(json.dumps(result))


class Session:
    """All phases, side by side where they may be."""

    def __init__(self, args: argparse.Namespace, wanted: list[str]):
        self.args, self.logs = args, args.out / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + 60 * args.minutes - 10
        self.waiting = [name for name in PLAN if name in wanted]
        self.running: dict[str, tuple[subprocess.Popen, float, float]] = {}  # process, began, must end
        report = args.out / "report.json"
        self.report = json.loads(report.read_text()) if report.exists() else {}

    def run(self) -> None:
        process_tree.adopt_orphans()
        try:
            while self.waiting or self.running:
                for name in list(self.waiting):
                    if not any(before in self.waiting or before in self.running for before in PLAN[name].after):
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
            process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        print(f"=== {name}", flush=True)
        self.running[name] = process, now, min(self.end, now + PLAN[name].limit)

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
            result = json.loads(left.read_text())
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
