#!/usr/bin/env python3
"""Hand a checkpoint on: its files with its model card as README.md, to a repository of the Hugging Face hub or to a folder.

    python scripts/push.py wts-environment/nframes8 --to hub:ORG/NAME          # prints what would be sent
    HF_TOKEN=.. python scripts/push.py wts-environment/nframes8/fp8 --to hub:ORG/NAME --yes
    python scripts/push.py weights/sample/nframes8/epoch_2 --to /mnt/models/nframes8 --yes

Nothing is sent without --yes. A repository is private unless --public; the token is HF_TOKEN of the environment. Refused: a card
whose licences are not filled in (the spec's `card`), a precision that the gate didn't pass (unless the spec's
deploy.allow_.._gate, or the options, say so), and files that are missing or not those of the manifest. A folder must be new, and
appears when it is whole; a repository gets one commit.
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.deploy.hub_push import check_name, push_package
from roadtrain.deploy.package import check_new, copy_package, manifest_of_checkpoint, package_of
from roadtrain.markup import visible_line

HUB = "hub:"


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="RUN/ABLATION (its best epoch), RUN/ABLATION/fp8, a manifest, or a folder",
    )
    parser.add_argument("--to", required=True, metavar="hub:ORG/NAME|FOLDER", help="where it goes")
    parser.add_argument("--yes", action="store_true", help="do it; without, it is only said what would be done")
    parser.add_argument("--public", action="store_true", help="hub: everybody may read it")
    parser.add_argument("--replace", action="store_true", help="hub: delete files there that are not this checkpoint's")
    parser.add_argument("--allow-failed-gate", action="store_true", help="although quantization lost too much")
    parser.add_argument(
        "--allow-undecided-gate", action="store_true", help="although there are too few scenarios to tell"
    )
    args = parser.parse_args()

    repository = args.to.removeprefix(HUB) if args.to.startswith(HUB) else None
    if repository is not None:
        check_name(repository)
    elif args.public or args.replace:
        raise cli.UserError("--public and --replace go with --to hub:ORG/NAME")
    package = package_of(manifest_of_checkpoint(args.checkpoint), args.allow_failed_gate, args.allow_undecided_gate)
    if repository is None:
        check_new(package, Path(args.to))

    sizes = package.sizes()
    for name, size in sizes.items():
        print(f"{size / 1e6:12,.3f} MB  {visible_line(name)}")
    kind = "" if repository is None else " (public)" if args.public else " (private)"
    print(f"{sum(sizes.values()) / 1e6:12,.3f} MB  {len(sizes)} files to {visible_line(args.to)}{kind}")
    for warning in package.warnings:
        print(visible_line(f"warning: {warning}"))
    if not args.yes:
        print("Nothing was sent. To send it, say --yes.")
    elif repository is None:
        copy_package(package, Path(args.to))
        print(f"written: {visible_line(args.to)}")
    else:
        print(f"sent: {visible_line(push_package(package, repository, args.public, args.replace))}", flush=True)


if __name__ == "__main__":
    main()
