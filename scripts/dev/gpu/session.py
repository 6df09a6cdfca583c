"""cosmos-rl on real GPUs, in phases; what each found goes to OUT/report.json as soon as it is known.

    machine       GPUs, driver, software, how long imports take
    base          2B weights at random, in memory
    tiny          the sample through the rule's own command, cosmos-rl's epochs exported and verified
    kill          the same: SIGKILL to the launcher in the second epoch, then the same command again
    local         the same TOML, data and seed with the local engine (its own transformers): the curves side by side
    evaluate      every epoch of tiny and local asked the validation questions
    shared        2B through cosmos-rl, a video's questions in one sequence, a few steps: questions a second, and a step's profile
    pairs         the same, two clips a pass
    per_question  the same, a sequence a question (on the second GPU, where there is one)
    shared_stock, pairs_stock, per_question_stock     the same with transformers' forward
    two           the sample on two GPUs (skipped where there is one)
    two_shared, two_pairs, two_shared_stock           as shared and pairs, on two GPUs

Each is a process with a time limit, and they run side by side: most of a phase is cosmos-rl's imports. What is timed (2B) starts early
too, builds its model and compiles as soon as memory allows, and is then held until its GPUs are its own (turns.py). A phase that fails,
or has to be ended, leaves the end of its log in the report; the others run. Logs of all of them: OUT/logs.tar.xz.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from dev.gpu.turns import State, Turn, with_room, with_the_gpu
from roadtrain import processes

ROOT = Path(__file__).parents[3]
LOG_BYTES = 2_000_000  # of each log, its end
START = 20  # seconds: a phase that would have fewer isn't started


@dataclass(frozen=True)
class Phase:
    """How long a phase may take, and what it waits for."""

    limit: int  # seconds
    after: tuple[str, ...] = ()  # where they run too, they come first: what they leave is read
    gate: tuple[str, ...] = ()  # what must have ended before it uses the GPU; its limit counts from there
    all_gpus: bool = False  # or one of them
    gpu: int = 0  # which, where there are so many
    gib: int = 0  # of each GPU, of what builds and is then timed (turns.py); its limit counts from either


FIRST = ("machine", "tiny", "kill", "local", "evaluate", "two")
PLAN = {
    "machine": Phase(60),
    "base": Phase(80),
    "tiny": Phase(200),
    "kill": Phase(300),
    "local": Phase(150),
    "evaluate": Phase(60, after=("tiny", "local")),
    "two": Phase(120, all_gpus=True),
    "shared": Phase(100, after=("base",), gate=FIRST, gib=50),
    "pairs": Phase(100, after=("base",), gate=FIRST, gib=63),
    "per_question": Phase(100, after=("base",), gate=FIRST, gib=48, gpu=1),
    "per_question_stock": Phase(75, after=("base",), gate=FIRST, gib=36, gpu=1),
    "shared_stock": Phase(60, after=("base",), gate=FIRST, gib=36),
    "pairs_stock": Phase(60, after=("base",), gate=FIRST, gib=48),
    "two_shared": Phase(90, after=("base",), gate=FIRST, gib=38, all_gpus=True),
    "two_pairs": Phase(90, after=("base",), gate=FIRST, gib=56, all_gpus=True),
    "two_shared_stock": Phase(60, after=("base",), gate=FIRST, gib=20, all_gpus=True),
}


def main() -> None:
    args = read_arguments(__doc__, PLAN, packages="cosmos-rl's", minutes=9.5)
    if args.alone:
        from dev.gpu.phases import PHASES  # here: vllm_session.py's machine has not all that they import

        alone(args, args.phases[0], PHASES)
    else:
        Session(args, args.phases or list(PLAN), PLAN, __file__, "report").run()


def read_arguments(about: str | None, plan: dict[str, Phase], packages: str, minutes: float) -> argparse.Namespace:
    """Of a program with such phases; from here on it is in the project's folder. `minutes`: when it has ended, unless told."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phases", nargs="*", choices=[[], *plan], help="all of them")
    parser.add_argument("--site", type=Path, required=True, help=f"where {packages} packages are")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="everything has ended after so long (%(default)s)"
    )
    parser.add_argument(
        "--small", action="store_true", help="the sample's base in the place of 2B: that it runs at all"
    )
    parser.add_argument("--at-once", action="store_true", help="no gates: what is timed runs beside the rest")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)  # one phase, in this process
    args = parser.parse_args()
    os.chdir(ROOT)
    args.logs = args.site.parent / "logs"  # not in OUT: few files come back from some machines
    return args


def alone(
    args: argparse.Namespace, name: str, functions: dict[str, Callable[[argparse.Namespace], dict[str, Any]]]
) -> None:
    """One phase; its result into OUT/logs/<name>.json."""
    processes.adopt_orphans()  # all that it starts stays below it
    try:
        result = functions[name](args)
    except Exception as error:
        traceback.print_exc()
        result = {"failed": f"{type(error).__name__}: {error}"[-2000:]}
    finally:
        processes.end_descendants(grace=3)
    (args.logs / f"{name}.json").write_text(json.dumps(result))


def visible_gpus() -> list[str]:
    """Those of CUDA_VISIBLE_DEVICES, else all."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    if not shutil.which("nvidia-smi"):  # a phase is tried on a CPU
        return []
    query = subprocess.run(["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True)
    return query.stdout.split()


class Session:
    """All phases, side by side where they may be."""

    def __init__(
        self, args: argparse.Namespace, names: list[str], plan: dict[str, Phase], program: str, report: str
    ) -> None:
        """`program`: started again with --alone for each phase. `report`: the name of the file in OUT."""
        self.args, self.logs, self.plan, self.program = args, args.logs, plan, program
        self.logs.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + 60 * args.minutes - 10
        self.waiting = [name for name in plan if name in names]
        for file in self.logs.glob("*.running"):
            file.unlink()
        self.gpus = visible_gpus() or [""]
        self.running: dict[str, tuple[subprocess.Popen, float, float]] = {}  # process, began, must end
        self.file = args.out / f"{report}.json"
        self.report = json.loads(self.file.read_text()) if self.file.exists() else {}

    def run(self) -> None:
        """Until every phase has ended; then nothing that was started is alive."""
        processes.adopt_orphans()
        try:
            while self.waiting or self.running:
                for name in list(self.waiting):
                    if not any(other in self.waiting or other in self.running for other in self.plan[name].after):
                        self.start(name)
                for name in list(self.running):
                    self.look(name)
                self.open_gates()
                time.sleep(0.2)
        finally:
            processes.end_descendants(grace=3)
            self.pack()

    def start(self, name: str) -> None:
        """A phase, or its place in the report when no time is left."""
        self.waiting.remove(name)
        now = time.monotonic()
        if self.end - now < START:
            self.tell(name, {"skipped": "no time left"})
            return
        for kind in ("json", "room", "ready", "gate"):
            (self.logs / f"{name}.{kind}").unlink(missing_ok=True)
        command = [sys.executable, self.program, name, "--alone", "--site", self.args.site, "--out", self.args.out]
        command += ["--small"] * self.args.small
        with open(self.logs / f"{name}.log", "w") as log:
            process = subprocess.Popen(
                list(map(str, command)),
                env=self.environment(self.plan[name]),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        (self.logs / f"{name}.running").touch()
        print(f"=== {name}", flush=True)
        self.running[name] = process, now, self.end if self.plan[name].gate else self.limit(name)

    def environment(self, phase: Phase) -> dict[str, str]:
        """With the GPUs that it may use."""
        return os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(self.gpus_of(phase))}

    def gpus_of(self, phase: Phase) -> list[str]:
        """That it may use."""
        return self.gpus if phase.all_gpus else [self.gpus[min(phase.gpu, len(self.gpus) - 1)]]

    def open_gates(self) -> None:
        """Let those use the GPU for which nobody else waits or runs any more; then those build for which there is room."""
        begun = {*self.waiting, *self.running}
        free = [n for n in self.running if self.args.at_once or not begun.intersection(self.plan[n].gate)]
        turns = {name: turn for name, turn in self.turns().items() if name in free}
        timed = turns if self.args.at_once else with_the_gpu(turns)
        for name in free:
            if self.plan[name].gate and (not self.plan[name].gib or name in timed):
                self.open(name, "gate")
        turns = self.turns()
        for name in turns if self.args.at_once else with_room(turns):
            self.open(name, "room")
        for name, turn in turns.items():
            if turn.state is State.READY:  # it may wait as long as it has to
                self.running[name] = *self.running[name][:2], self.end

    def turns(self) -> dict[str, Turn]:
        """Of what is timed and runs, in the plan's order."""
        return {
            name: Turn(frozenset(self.gpus_of(phase)), phase.gib, self.state(name))
            for name, phase in self.plan.items()
            if name in self.running and phase.gib
        }

    def state(self, name: str) -> State:
        """Of what is timed."""
        states = {"gate": State.TIMED, "ready": State.READY, "room": State.BUILDING}
        return next((state for kind, state in states.items() if (self.logs / f"{name}.{kind}").exists()), State.WAITING)

    def open(self, name: str, kind: str) -> None:
        """Make the file that a phase waits for; its limit counts from now."""
        file = self.logs / f"{name}.{kind}"
        if not file.exists():
            file.touch()
            print(f"=== {name} has {'room' if kind == 'room' else 'the GPU'}", flush=True)
            process, began, _ = self.running[name]
            self.running[name] = process, began, self.limit(name)

    def limit(self, name: str) -> float:
        """When a phase that begins now has to be over; a CPU takes its time."""
        return min(self.end, time.monotonic() + self.plan[name].limit * (5 if self.args.small else 1))

    def look(self, name: str) -> None:
        """Whether a phase has ended, or has to."""
        process, began, end = self.running[name]
        if process.poll() is None and time.monotonic() < end:
            return
        result: dict[str, Any] = {}
        if process.poll() is None:
            processes.end([*processes.descendants(process.pid), psutil.Process(process.pid)], grace=4)
            result = {"failed": f"ended after {time.monotonic() - began:.0f} s"}
        del self.running[name]
        (self.logs / f"{name}.running").unlink()
        file = self.logs / f"{name}.json"
        if file.exists():  # what it knew by then
            result = json.loads(file.read_text()) | ({"ended": result["failed"]} if result else {})
        result = result or {"failed": f"exit code {process.returncode}"}
        self.tell(name, result | {"wall_seconds": round(time.monotonic() - began, 1)})

    def tell(self, name: str, result: dict[str, Any]) -> None:
        """A phase's result into the report, with the end of its log where it failed."""
        if ("failed" in result or "ended" in result) and (log := self.logs / f"{name}.log").exists():
            lines = [line.split("\r")[-1][:300] for line in log.read_text(errors="replace").split("\n")]
            result = result | {"end_of_its_log": [line for line in lines if line.strip()][-40:]}
        self.report[name] = result
        self.file.write_text(json.dumps(self.report, indent=2))
        print(name, json.dumps(result, indent=2), flush=True)
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
