"""A made-up run with checkpoints on disk and its cards: what push.py hands on."""

from pathlib import Path

from roadtrain.files import read_json, write_json
from roadtrain.model.checkpoints import describe
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.programs import run_program

FILLED = '{"license": "cc-by-nc-4.0", "data_license": "WTS, research only: ask its owners"}'


def export_run(root: Path, card: str = FILLED, scenarios: int = 6) -> Path:
    """A run below `root` whose epochs and FP8 have files, and cards with these licences; returns its folder."""
    spec = fabricate(root, scenarios=scenarios, frames=False)
    results = Results.load(spec)
    for ablation, checkpoint in results.all_checkpoints():
        if checkpoint == "zero_shot":
            continue
        folder = root / results.paths.weights(ablation.name) / checkpoint
        (folder / "adapter").mkdir(parents=True)
        (folder / "config.json").write_text('{"model_type": "qwen3_vl"}\n')
        (folder / "model.safetensors").write_bytes(f"weights of {ablation.name} {checkpoint}".encode() * 500)
        (folder / "adapter/adapter_config.json").write_text("{}\n")
        path_of = results.paths.quantized if checkpoint in results.precisions else results.paths.checkpoint
        path = results.at(path_of(ablation.name, checkpoint))
        files = describe(folder)
        relative = folder.relative_to(root).as_posix()
        write_json(path, read_json(path) | {"path": relative, "sha256": files["sha256"], "files": files["files"]})
        write_json(folder.with_name(f"{checkpoint}.json"), read_json(path))
    write_cards(root, card)
    return spec.parent


def write_cards(root: Path, card: str = FILLED) -> None:
    process = run_program("write_cards.py", spec="results/made-up/spec.json", card=card, cwd=root)
    assert process.returncode == 0, process.stderr
