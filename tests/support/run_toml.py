"""A training run's TOML for tests: by the real program from a folder with questions and frames, or of a spec's ablation."""

import json
from pathlib import Path

import yaml

import render_toml
from roadtrain.spec.reading import read_spec
from roadtrain.spec.spec import Spec
from support.programs import ROOT, run_program

PROMPT = "You are a helpful assistant."


def options(**values) -> list[str]:
    """--name value of each; `_` in a name is `-`."""
    pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in values.items()]
    return [word for pair in pairs for word in pair]


def render_run_toml(path: Path, root: Path, *, model: Path, vision: dict, train: dict, output_dir: Path) -> Path:
    """`root` holds x.llava.json, media/ and index.json; `train` is the spec's section. Returns `path`."""
    settings = {"name": "a", "model": str(model), "vision": vision, "train": train}
    data = {"llava": root / "x.llava.json", "media": root / "media", "frames": root / "index.json"}
    process = run_program(
        "render_toml.py",
        template="templates/sft.toml.j2",
        ablation=json.dumps(settings),
        run="r",
        **data,
        system_prompt=PROMPT,
        output_dir=output_dir,
        output=path,
    )
    assert process.returncode == 0, process.stderr
    return path


def render_ablation(file: str, name: str) -> str:
    """The TOML of an ablation of a spec of the project, for files that needn't exist."""
    return render_of_spec(read_spec(yaml.safe_load((ROOT / file).read_text()), file), name)


def render_settings(train: dict) -> str:
    """The same of the defaults with these keys of `train`."""
    return render_of_spec(read_spec({"train": train, "ablations": {"a": {"vision": {"nframes": 8}}}}, "test"), "a")


def render_of_spec(spec: Spec, name: str) -> str:
    ablation = spec.ablation(name)
    values = {"ablation": ablation, "train": ablation.train, "vision": ablation.vision.settings(), "run": spec.run}
    values |= {"llava": "train.llava.json", "media": "videos/train", "frames": "train.json"}
    values |= {"system_prompt": spec.data.system_prompt, "output_dir": f"weights/{spec.run}/{name}"}
    return render_toml.render((ROOT / "templates/sft.toml.j2").read_text(), values)
