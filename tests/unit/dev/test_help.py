"""Every program's --help has an example, and the program takes it."""

import re
import shlex

import pytest

from roadtrain.paths import Paths
from roadtrain.spec.reading import read_spec
from roadtrain.spec.yaml_text import spec_values
from support.parsing import parse
from support.programs import ROOT, run_program

# cosmos-rl starts it; nobody has to know its arguments.
PROGRAMS = [path for path in sorted((ROOT / "scripts").glob("*.py")) if path.stem != "cosmos_sft"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_help_has_an_example_that_the_program_takes(program, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        parse(program, ["--help"], monkeypatch)
    text = capsys.readouterr().out
    assert end.value.code in (0, None) and text.startswith("usage:")
    examples = re.findall(
        rf"^    (?:\w+=\S+ )?python scripts/{program.name} (.*)", re.sub(r"\s*\\\n\s*", " ", text), re.M
    )
    assert examples, "no example"
    known = files_of_the_sample()
    for example in examples:
        words = shlex.split(re.sub(r"\s{2,}\S.*$", "", example), comments=True)
        if "..." not in example and ".." not in words:
            parse(program, words, monkeypatch)
            files = {word for word in words if re.fullmatch(r"results/sample/.*\.\w+", word)}
            assert files <= known, f"no file of the sample's run: {files - known}"


def files_of_the_sample() -> set[str]:
    """What the sample's run leaves, by its spec: examples name its files, so that they run as they stand after `make demo`."""
    spec = read_spec(spec_values([ROOT / "specs/sample.yaml"]), "specs/sample.yaml")
    paths, files = Paths(spec.run), set()
    epochs = [f"epoch_{n}" for n in range(1, spec.train.epochs + 1)]
    files |= {paths.spec, *map(paths.llava, spec.data.splits)}
    for name, ablation in spec.ablations.items():
        files |= {paths.toml(name), paths.preflight(name), paths.train_log(name), paths.best(name), paths.gate(name)}
        files |= {paths.frames(ablation.vision.name, split) for split in spec.data.splits}
        files |= {paths.checkpoint(name, checkpoint) for checkpoint in ("zero_shot", *epochs)}
        files |= {paths.quantized(name, precision) for precision in spec.quantize.precisions}
        for checkpoint in ("zero_shot", *epochs, *spec.quantize.precisions):
            files |= {paths.predictions(name, checkpoint), paths.predictions_source(name, checkpoint)}
            files.add(paths.accuracy(name, checkpoint))
    return files


def test_what_cosmos_rl_starts_says_so():
    process = run_program("cosmos_sft.py", "--help")
    assert process.returncode == 0 and "not by hand" in process.stdout
