#!/usr/bin/env python3
"""Convert annotations to LLaVA JSON and write the audit: what there is, what was left out and why.

    python scripts/convert_annotations.py --root data/sample --train train.llava.json --val val.llava.json \\
        --audit audit.json
    python scripts/convert_annotations.py --data '{"source": "mcq", "root": "data/mine", "files": {"train": \\
        "train.csv", "val": "val.csv"}}' --train train.llava.json --val val.llava.json --audit audit.json

Same input, same bytes, whatever the number of workers. All outputs appear, or none. When the data are too bad,
<audit>.failed.json says what is wrong with them (and <table>.failed.md).
"""

import argparse
import json
import sys
from pathlib import Path

from roadtrain import cli
from roadtrain.data.audit import Audit
from roadtrain.data.audit_table import audit_table
from roadtrain.data.convert import NotGoodEnough, Pages, Rules, SplitJob, convert
from roadtrain.data.media_record import record_text
from roadtrain.data.sources.catalog import open_sources
from roadtrain.files import json_text, write_json, write_text
from roadtrain.frames.probe import CHECKS
from roadtrain.markup import visible
from roadtrain.spec.arguments import add_key, add_section, checked
from roadtrain.spec.data import Data
from roadtrain.spec.frames import Frames

SPLITS = ("train", "val", "test")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_section(parser, "data", Data)
    add_section(parser, "frames", Frames)
    parser.add_argument("--root", help="data.root: the folder that holds videos and annotations")
    parser.add_argument(
        "--task", action="append", dest="tasks", metavar="TASK", help="one of data.tasks; may be repeated"
    )
    for key in ("on_bad_video", "media_links", "max_bad_fraction", "on_bad_question", "on_leak"):
        add_key(parser, Data, key, default=None)
    parser.add_argument(
        "--check-videos",
        choices=CHECKS,
        default="full",
        help=(
            "full: open each video and decode a frame; exists: only that the file is there and not empty; none: for"
            " annotations that were downloaded without their videos (default: full)"
        ),
    )
    for split in SPLITS:
        parser.add_argument(f"--{split}", metavar="JSON", help=f"LLaVA JSON of the split {split}")
    parser.add_argument("--audit", required=True, metavar="JSON", help="audit.json")
    parser.add_argument("--table", metavar="MD", help="the audit as a readable table (Markdown)")
    parser.add_argument(
        "--media-revisions",
        type=json.loads,
        metavar="JSON",
        help="also write <split>.media.json beside each LLaVA JSON: which media are named, their content, and {split: revision}",
    )
    parser.add_argument("--workers", type=cli.at_least(1), default=1, help="processes (default: 1)")
    return parser.parse_args()


def section(args: argparse.Namespace) -> Data:
    """--data with what the other arguments say. Raises UserError in the spec's own keys."""
    changes = {key: getattr(args, key) for key in Data.model_fields if getattr(args, key, None) is not None}
    return checked("data", Data, args.data.model_dump(exclude_unset=True) | changes)


@cli.main
def main() -> None:
    args = arguments()
    data = section(args)
    outputs = {split: getattr(args, split) for split in SPLITS if getattr(args, split)}
    if not outputs:
        raise cli.UserError("nothing to write: give --train, --val or --test")
    if unknown := [split for split in outputs if split not in data.splits]:
        raise cli.UserError(f"--{unknown[0]}: data.files.{unknown[0]} says where the questions are")
    sources = open_sources(data, outputs)
    jobs = [SplitJob(split, sources[split], output) for split, output in outputs.items()]
    rules = Rules(
        on_bad_video=data.on_bad_video,
        max_bad_fraction=data.max_bad_fraction,
        on_bad_question=data.on_bad_question,
        on_leak=data.on_leak,
        check=args.check_videos,
        follow_links=data.media_links == "follow",
        seconds=args.frames.timeout,
        memory=args.frames.memory,
    )

    failed = f"{args.audit.removesuffix('.json')}.failed.json"
    failed_table = f"{(args.table or args.audit).removesuffix('.md').removesuffix('.json')}.failed.md"

    def pages(audit: Audit) -> Pages:
        report = audit.report()
        table = [(args.table, audit_table(report))] if args.table else []
        return [(args.audit, json_text(report)), *table, *records(audit)]

    def records(audit: Audit) -> Pages:
        revisions, media = args.media_revisions, {split: part.media for split, part in audit.splits.items()}
        if revisions is None:
            return []
        return [
            (
                f"{output.removesuffix('.llava.json')}.media.json",
                record_text(revisions.get(split, ""), media.get(split, {})),
            )
            for split, output in outputs.items()
        ]

    try:
        audit = convert(jobs, rules, max(args.workers, 1), data.source, pages)
    except NotGoodEnough as error:
        write_json(failed, error.audit.report())
        if args.table:
            write_text(failed_table, audit_table(error.audit.report()))
        raise cli.UserError(f"{error}; all of it: {failed}") from None
    for leftover in (failed, failed_table):  # of an earlier try: these data are good enough
        Path(leftover).unlink(missing_ok=True)
    for split, part in audit.splits.items():
        left = f", {part.left_out.total} left out" if part.left_out.total else ""
        print(f"{split}: {part.questions} questions about {part.videos.good} videos{left}")
    for warning in audit.warnings():
        print(f"warning: {visible(warning)}", file=sys.stderr)


if __name__ == "__main__":
    main()
