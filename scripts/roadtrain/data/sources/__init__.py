"""Where videos and questions come from, behind one typed interface (base.Source).

    wts        the WTS dataset's own layout          bdd     BDD_PC_5K, its external part
    wts_test   WTS's public test                     mixed   several of them in one run
    llava      any LLaVA JSON                        mcq     a table of multiple-choice questions

What the Snakefile asks is quick and opens no file; with `data.sample` it is known before anything is rendered.
"""

from __future__ import annotations  # conversion starts without loading pydantic

from typing import TYPE_CHECKING

from roadtrain.data.sources import bdd, wts
from roadtrain.data.sources.base import Source

if TYPE_CHECKING:
    from roadtrain.sample.tree import Scenario
    from roadtrain.spec.data import Data


def open_source(data: Data, split: str = "train") -> Source:
    """The source of a split that a spec's `data` describes. Nothing is read yet."""
    files = {name: f"{data.root}/{file}" for name, file in data.files.model_dump().items() if file is not None}
    if data.source != "wts":
        from roadtrain.data.sources.llava import Llava
        from roadtrain.data.sources.mcq import Mcq

        media = data.root if data.media == "." else f"{data.root}/{data.media}"
        return (Llava if data.source == "llava" else Mcq)(files, media)
    if split == "test":
        from roadtrain.data.sources.wts_test import WtsTest

        return WtsTest(data.root, files["test"])
    tasks = tuple(data.tasks)
    external = bdd.Bdd(data.root, tasks)
    if not set(bdd.TASKS) & set(tasks):
        return wts.Wts(data.root, tasks)
    if not set(wts.TASKS) & set(tasks):
        return external
    from roadtrain.data.sources.mixed import Mixed

    return Mixed((external, wts.Wts(data.root, tasks, from_root=True)))


def media_root(data: Data, split: str) -> str:
    """The folder that the entries' media are relative to."""
    return open_source(data, split).media_root(split)


def sample_files(data: Data) -> list[str]:
    """Every file of the bundled sample, rendered or not; [] when the spec has none."""
    return [f"{data.root}/{path}" for scenario in _sample(data) for path in scenario.files()]


def input_files(data: Data, split: str | None = None) -> list[str]:
    """Annotation files of a split (None: of all), sorted."""
    found = []
    for name in (split,) if split else data.splits:
        source = open_source(data, name)
        if data.sample is None:
            found += source.input_files(name)
            continue
        for scenario in _sample(data, name):
            found += [f"{data.root}/{path}" for task in source.tasks(name) for path in _sample_inputs(scenario, task)]
    return sorted(found)


def video_files(data: Data, split: str | None = None) -> list[str]:
    """Videos and images of a split (None: of all), sorted."""
    found = set()
    for name in (split,) if split else data.splits:
        source = open_source(data, name)
        if data.sample is None:
            found.update(source.media_files(name))
            continue
        views = {view for task in source.tasks(name) for view in wts.views(task)}
        for scenario in _sample(data, name):
            found.update(
                f"{data.root}/{scenario.video_path(view, file)}" for view, file in scenario.videos if view in views
            )
    return sorted(found)


def _sample_inputs(scenario: Scenario, task: str) -> list[str]:
    if task == "caption":
        return [scenario.caption_path(view) for view in scenario.views]
    there = scenario.environment if task == "environment" else task in scenario.views
    return [scenario.vqa_path(task)] if there else []


def _sample(data: Data, split: str | None = None) -> list[Scenario]:
    if data.sample is None:
        return []
    from roadtrain.sample.tree import SampleSpec, sample_scenarios

    made = sample_scenarios(SampleSpec(data.sample.seed, data.sample.train, data.sample.val))
    return [scenario for scenario in made if split in (None, scenario.split)]
