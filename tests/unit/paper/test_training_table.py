"""T4 says what of the model was trained, how many weights, and in how much memory."""

import json

from roadtrain.files import read_json, write_json
from roadtrain.paper.tables.training import training_table
from roadtrain.results.reader import Results
from support.fabricate import fabricate


def test_what_is_trained_and_what_it_takes(tmp_path):
    spec = fabricate(tmp_path, scenarios=6, frames=False)
    value = json.loads(spec.read_text())
    value["ablations"]["nframes8"]["train"]["lora"] = {"rank": 8, "targets": ["language", "vision.qkv"], "merge": True}
    value["ablations"]["fps1_8k"]["train"] |= {"freeze": ["vision", "projector"], "lora": None}
    spec.write_text(json.dumps(value))
    results = Results.load(spec)
    file = results.at(results.paths.checkpoint("nframes8", "epoch_3"))
    write_json(file, read_json(file) | {"trained_weights": 12345, "peak_bytes": 3 * 2**30})
    table = training_table(Results.load(spec))
    names = [column.key for column in table.columns]
    lora, frozen = (dict(zip(names, row, strict=True)) for row in table.rows[:2])
    assert lora["trained"] == "LoRA 8: language, vision.qkv" and frozen["trained"] == "all but vision, projector"
    assert lora["trained_weights"].value == 12345 and lora["peak_gib"].value == 3
    assert frozen["trained_weights"] is None and frozen["peak_gib"] is None  # a manifest of 0.2
