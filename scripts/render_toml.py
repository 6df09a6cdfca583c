#!/usr/bin/env python3
"""Render the TOML of one ablation: one description of a training run for both engines, in cosmos-rl's format.

Inputs: the template, the ablation with overrides applied as JSON, and the paths of its data. The text is
parsed back and compared with what was meant before the file appears.

    python scripts/render_toml.py --template templates/sft.toml.j2 --run sample \\
        --ablation '{"name": "a", "model": "specs/sample/base", "vision": {"nframes": 8}, "train": {}}' \\
        --llava results/sample/data/train.llava.json --media data/sample/videos/train --frames results/sample/frames/nframes8_min4096_max17408/train.json \\
        --system-prompt 'You are a helpful assistant.' --output-dir weights/sample/a --output sft.toml
"""

import argparse
import json
import tomllib
from typing import Any

import jinja2

from roadtrain import cli
from roadtrain.files import write_text
from roadtrain.spec.arguments import add_section
from roadtrain.spec.spec import Ablation


def toml_value(value: object) -> str:
    """A TOML value. JSON's strings are TOML's basic strings but for DEL, which TOML wants escaped. Raises TypeError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    raise TypeError(f"{value!r} has no place in the TOML")


def render(template: str, values: dict[str, Any]) -> str:
    """The template's text with `values`; a name that is missing is an error of Jinja's."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.filters["toml"] = toml_value
    return environment.from_string(template).render(values)


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--template", required=True)
    add_section(parser, "ablation", Ablation, required=True)
    parser.add_argument("--run", required=True, help="the spec's run")
    parser.add_argument("--llava", required=True, help="training conversations")
    parser.add_argument("--media", required=True, help="the folder that their videos are relative to")
    parser.add_argument("--frames", required=True, help="index of the training frames")
    parser.add_argument("--system-prompt", required=True)
    parser.add_argument("--output-dir", required=True, help="where the engine works: weights/<run>/<ablation>")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()

    ablation: Ablation = args.ablation
    values = {"ablation": ablation, "train": ablation.train, "vision": ablation.vision.settings()}
    values |= {name: getattr(args, name) for name in ("run", "llava", "media", "frames", "system_prompt", "output_dir")}
    with open(args.template, encoding="utf-8") as stream:
        text = render(stream.read(), values)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{args.template}: renders to invalid TOML: {error}") from None
    intended = {"annotation_path": args.llava, "media_path": args.media, "system_prompt": args.system_prompt}
    read_back = {key: parsed["custom"]["dataset"][key] for key in intended}
    if read_back != intended or parsed["custom"]["vision"] != values["vision"]:
        raise ValueError(f"{args.template}: {read_back} was read back, not {intended}")
    write_text(args.output, text)


if __name__ == "__main__":
    main()
