#!/usr/bin/env python3
"""Decode and resize the videos and pictures of one split once, for one or several vision settings in one pass over each video.

Settings given by --also are decoded in the same pass into the cache, for the jobs that write their indexes: whoever
comes second finds everything there.

Inputs: a LLaVA JSON and the folder its videos are relative to. Outputs: an index (JSON) for each setting; the frames
themselves go to the cache, one safetensors file a clip (uint8 [frames, 3, height, width]). What is in the cache is
not decoded again: a killed run continues where it was, a changed video or setting redoes just that.

    python scripts/decode_frames.py --llava train.llava.json --media data/wts/videos/train --vision '{"nframes": 8}' --index a.json
    python scripts/decode_frames.py --verify a.json         hash an index's clips again
    python scripts/decode_frames.py --verify cache/frames   or those of the whole cache
"""

import argparse
import json

from roadtrain import cli
from roadtrain.data.audit_json import read_audit
from roadtrain.data.llava import read_questions
from roadtrain.frames.building import BadVideos, Split, build_indexes, cores, verify
from roadtrain.spec.arguments import add_key, add_section, vision_setting
from roadtrain.spec.data import Data
from roadtrain.spec.frames import Frames
from roadtrain.workers import JobLimits


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", help="conversations of the split")
    parser.add_argument("--media", help="the folder that the conversations' videos are relative to")
    parser.add_argument("--vision", action="append", default=[], metavar="JSON", help="a vision setting (repeatable)")
    parser.add_argument("--index", action="append", default=[], help="where its index goes, in the same order")
    parser.add_argument(
        "--also", type=json.loads, default=[], metavar="JSON", help="a list of further settings, into the cache only"
    )
    parser.add_argument("--cache", default="cache/frames", help="where the frames go (%(default)s)")
    add_section(parser, "frames", Frames)
    add_key(parser, Data, "on_bad_video")
    add_key(parser, Data, "media_links")
    parser.add_argument(
        "--max-bad-fraction",
        type=float,
        default=1.0,
        help="with skip: stop all the same when more than this share of the split's videos is bad (%(default)s)",
    )
    parser.add_argument("--audit", nargs=2, metavar=("JSON", "SPLIT"), help="count what the audit left out as bad too")
    parser.add_argument(
        "--workers",
        type=cli.at_least(0),
        default=cores(),
        help="processes; 0: this one alone, without a clock (%(default)s)",
    )
    parser.add_argument("--verify", metavar="INDEX_OR_CACHE", help="only hash the clips again and report")
    args = parser.parse_args()
    if args.verify is None and not (args.llava and args.media and args.vision):
        parser.error("give --llava, --media, --vision and --index (or --verify)")
    if args.verify is None and len(set(args.index)) != len(args.vision):
        parser.error(f"{len(args.vision)} --vision need as many different --index")
    return args


@cli.main
def main() -> None:
    args = arguments()
    if args.verify is not None:
        print(verify(args.verify))
        return
    settings = {path: vision_setting(text) for path, text in zip(args.index, args.vision, strict=True)}
    more_settings = [vision_setting(json.dumps(setting)) for setting in args.also]
    media = dict.fromkeys(medium for question in read_questions(args.llava) for medium in question.clip.media)
    bad_before = read_audit(args.audit[0])["splits"][args.audit[1]]["videos"]["bad"] if args.audit else 0
    build_indexes(
        Split(args.llava, list(media), args.media, args.cache, args.frames.reader, args.media_links == "follow"),
        settings,
        more_settings=more_settings,
        workers=args.workers,
        limits=JobLimits(seconds=args.frames.timeout, memory=args.frames.memory),
        rules=BadVideos(args.on_bad_video, args.max_bad_fraction, bad_before),
    )


if __name__ == "__main__":
    main()
