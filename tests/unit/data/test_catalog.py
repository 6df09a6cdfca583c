"""What the Snakefile asks about a spec's source: its files, before anything is rendered."""

import subprocess
import sys

from roadtrain.data.sources import catalog
from roadtrain.spec.data import Data
from support.programs import ROOT


def test_the_samples_files_are_known_before_it_is_rendered(tmp_path):
    data = Data(
        root=str(tmp_path),
        tasks=["environment", "overhead_view", "vehicle_view", "caption"],
        sample={"seed": 4, "train": 12, "val": 1},
    )
    import make_sample
    from roadtrain.sample.tree import SampleSpec

    expected = [catalog.input_files(data), catalog.input_files(data, "val")]
    make_sample.make_sample(SampleSpec(4, 12, 1), tmp_path, workers=2)
    there = data.model_copy(update={"sample": None})
    assert expected == [
        catalog.input_files(there),
        catalog.input_files(there, "val"),
    ]
    videos = sorted(str(path) for path in tmp_path.rglob("*.mp4"))
    assert catalog.sample_videos(data) == videos and catalog.sample_videos(there) == []
    assert set(expected[0]) < set(catalog.sample_files(data)) and expected[1]


def test_planning_is_quick_and_loads_little():
    code = (
        "import sys; sys.path.insert(0, 'scripts'); from roadtrain.data.sources import catalog; from roadtrain.spec.data import Data;"
        "d = Data(sample={}); catalog.input_files(d); catalog.sample_videos(d);"
        "assert not {'torch', 'av', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
