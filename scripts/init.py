#!/usr/bin/env python3
"""From a folder of clips and a table of questions (or LLaVA JSON) to a spec: look at both, say what was found, write the spec
for the model and the GPUs that there are, print the next commands.

    python scripts/init.py ~/clips
    python scripts/init.py ~/clips --table ~/clips/questions.csv --model Qwen/Qwen3-VL-4B-Instruct --output specs/mine.yaml

The table is found in the folder where there is one only. Two files train.* and val.* are the two splits (named by --table train.csv,
where there are more); of one file a fifth of the scenarios validates (data.split). Nothing is overwritten without --force. Formats: docs/own-data.md.
"""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from roadtrain import cli, gpus
from roadtrain.evaluate.bounds import scenarios_for
from roadtrain.evaluate.statistics import LEVEL
from roadtrain.files import write_text
from roadtrain.markup import quantity, visible_line
from roadtrain.results.gpu_use import gpu_use
from roadtrain.spec.quantize import Quantize
from roadtrain.train.preflight.estimate import GPU_MEMORY
from roadtrain.train.preflight.first_spec import Machine, details, first_spec, one_line_summary, run_name
from roadtrain.train.preflight.look import look_into

PROJECT = Path(__file__).resolve().parents[1]
MODEL = "Qwen/Qwen3-VL-2B-Instruct"  # anybody may download it


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", help="the clips; in it or below it")
    parser.add_argument("--table", metavar="FILE", help="CSV, TSV, JSON or JSON lines (default: the one in the folder)")
    parser.add_argument("--model", default=MODEL, help="a name on the hub, name@revision, or a folder (%(default)s)")
    parser.add_argument(
        "--gpus", type=cli.at_least(0), help="GPUs to train on; 0: the CPU (default: those of this machine)"
    )
    parser.add_argument("--output", default="spec.yaml", metavar="FILE", help="the spec to write (%(default)s)")
    parser.add_argument("--force", action="store_true", help="overwrite it")
    args = parser.parse_args()

    output = os.path.expanduser(args.output)
    if os.path.lexists(output) and not args.force:
        raise cli.UserError(f"{output}: is there already: --force overwrites it, --output FILE writes another")
    machine = _machine(args.gpus)
    table = os.path.expanduser(args.table) if args.table else None
    look = look_into(_from_project(args.folder), table and os.path.abspath(table), os.cpu_count() or 1)
    run = run_name(os.path.expanduser(args.folder))
    needed = scenarios_for(Quantize().max_accuracy_drop, 1 - LEVEL)
    text = first_spec(look, os.path.expanduser(args.model), machine, output, run, needed)
    write_text(output, text)

    print(f"{args.folder}: {one_line_summary(look)}")
    for line in (*details(look), *look.audit.warnings()):
        print(f"  {visible_line(line)}")
    for split, part in look.audit.splits.items():
        print(f"{split}: {quantity(part.questions, 'question')}, {quantity(len(part.scenarios), 'scenario')}")
    print(f"{output}: written; read it, change what you like")
    print("\nNext:\n")
    for command in _commands(output, run):
        print(f"    {command}")


def _machine(count: int | None) -> Machine:
    """--gpus, or what is here. A spec may be written where no GPU is: it then asks for one."""
    if count is not None and not 0 <= count <= 8:
        raise cli.UserError(f"--gpus {count}: from 0 (the CPU) to 8, the GPUs of one machine")
    sizes = [use.total_mib / 1024 for use in gpu_use() if use.total_mib]
    here = min(len(gpus.visible()), 8)
    gib = min(sizes, default=float(GPU_MEMORY))
    wanted_gpus = count if count is not None else max(here, 1)
    if sizes:
        return Machine(wanted_gpus, gib, f"the smallest here has {gib:.0f} GiB")
    if wanted_gpus and not here:
        return Machine(wanted_gpus, gib, f"no GPU on this machine: one of {gib:.0f} GiB is assumed")
    return Machine(wanted_gpus, gib, f"{gib:.0f} GiB are assumed" if wanted_gpus else "")


def _from_project(path: str) -> str:
    """A path as a spec has it, which Snakemake reads in the project's folder: relative where it lies below that."""
    absolute = os.path.abspath(os.path.expanduser(path))
    relative = os.path.relpath(absolute, PROJECT)
    if relative.startswith(os.pardir) or relative == os.curdir:
        return absolute
    return relative if os.path.samefile(PROJECT, os.getcwd()) else absolute


def _commands(output: str, run: str) -> list[str]:
    """The next steps, ready to be pasted into this shell."""
    commands = []
    spec = output
    if not os.path.samefile(PROJECT, os.getcwd()):
        commands.append(f"cd {shlex.quote(str(PROJECT))}")
        spec = os.path.abspath(output)
    if shutil.which("snakemake") is None:
        activate = Path(sys.prefix, "bin/activate")
        commands.append(
            f". {shlex.quote(str(activate))}" if activate.exists() else "make install && . .venv/bin/activate"
        )
    quoted = shlex.quote(spec)
    return [
        *commands,
        f"python scripts/check_spec.py {quoted}",
        f"snakemake --cores all plan --configfile {quoted}    # what training will cost, and mistakes, before a GPU is touched",
        f"snakemake --cores all --configfile {quoted}    # everything; it ends with the report's path",
        f"python scripts/watch.py {run}    # in another window",
    ]


if __name__ == "__main__":
    main()
