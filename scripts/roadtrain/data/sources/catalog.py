"""The source that a spec's `data` describes, and its files.

What the Snakefile asks is quick and opens no file; with `data.sample` it is known before anything is rendered.
"""

from __future__ import annotations  # conversion starts without loading pydantic

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from roadtrain.data.sources import bdd, wts
from roadtrain.data.sources.base import Source

if TYPE_CHECKING:
    from roadtrain.data.sources.llava import Llava
    from roadtrain.data.sources.mcq import Mcq
    from roadtrain.data.sources.tar import Tar
    from roadtrain.sample.tree import SampleSpec, Scenario
    from roadtrain.spec.data import Data


def open_source(data: Data, split: str = "train") -> Source:
    """The source of a split that a spec's `data` describes. Nothing is read yet."""
    source = _source_of_split(data, split)
    if data.views == "each":
        return source
    from roadtrain.data.sources.together import Together

    return Together(source, source.rows)


def _source_of_split(data: Data, split: str) -> Source:
    files = {name: f"{data.root}/{file}" for name, file in data.files.model_dump().items() if file is not None}
    if not data.is_wts:
        media = data.root if data.media == "." else f"{data.root}/{data.media}"
        source = _with_media(data, files, media)
        if data.split is None or split == "test":
            return source
        from roadtrain.data.sources.divided import Divided

        return Divided(source, data.split)
    if split == "test":
        from roadtrain.data.sources.wts_test import WtsTest

        return WtsTest(data.root, files["test"], submitted_caption_tasks(data))
    tasks, splits = tuple(data.tasks), data.caption_splits
    external = bdd.Bdd(data.root, tasks, splits)
    if not set(bdd.TASKS) & set(tasks):
        return wts.Wts(data.root, tasks, caption_splits=splits, synthetic=data.source == "synwts")
    if not set(wts.TASKS) & set(tasks):
        return external
    from roadtrain.data.sources.mixed import Mixed

    return Mixed((external, wts.Wts(data.root, tasks, from_root=True, caption_splits=splits)))


def submitted_caption_tasks(data: Data) -> tuple[str, ...]:
    """The tasks whose captions the test split has: checkpoints write them, and they are submitted."""
    return tuple(task for task in data.tasks if task.endswith("caption")) if "test" in data.caption_splits else ()


def _with_media(data: Data, files: dict[str, str], media: str) -> Llava | Mcq | Tar:
    """A source whose videos lie in a folder beside its annotations."""
    if data.source == "tar":
        from roadtrain.data.sources.tar import Tar

        files |= {split: f"{data.root}/{split}" for split in ("train", "val")}
        return Tar(data.root, media, tuple(data.tasks), data.reasoning == "keep", files)
    from roadtrain.data.sources.llava import Llava
    from roadtrain.data.sources.mcq import Mcq

    return (Llava if data.source == "llava" else Mcq)(files, media)


def open_sources(data: Data, splits: Iterable[str]) -> dict[str, Source]:
    """The source of each split; one object where a file is divided, which is then looked at once."""
    sources: dict[str, Source] = {}
    for split in splits:
        same = sources.get("train", sources.get("val")) if data.split is not None and split != "test" else None
        sources[split] = same or open_source(data, split)
    return sources


def media_root(data: Data, split: str) -> str:
    """The folder that the entries' media are relative to."""
    return open_source(data, split).media_root(split)


def finder(data: Data, split: str) -> Callable[[], dict[str, list[str]]] | None:
    """Of a split whose videos are named without their folders: what finds them."""
    source = open_source(data, split)
    return getattr(source, "find_videos", None)


def sample_files(data: Data) -> list[str]:
    """Every file of the bundled sample, rendered or not; [] when the spec has none."""
    if data.sample is None:
        return []
    from roadtrain.sample.tree import tree_files

    return [f"{data.root}/{path}" for path in tree_files(_sample_spec(data))]


def input_files(data: Data, split: str | None = None) -> list[str]:
    """Annotation files of a split (None: of all), sorted, each once."""
    files: list[str] = []
    for name in (split,) if split else data.splits:
        source = open_source(data, name)
        if data.sample is None:
            files += source.input_files(name)
            continue
        if data.source == "tar":
            files += [f"{data.root}/{path}" for path in _sample_spec(data).tar_files[name]]
            continue
        if name == "test":
            files.append(f"{data.root}/{data.files.test}")
        for scenario in _sample(data, name):
            files += [f"{data.root}/{path}" for task in source.tasks(name) for path in _sample_inputs(scenario, task)]
    return sorted(set(files))


def sample_videos(data: Data) -> list[str]:
    """The videos of the bundled sample that the tasks ask about, sorted; [] when the spec has none."""
    files: set[str] = set()
    for name in data.splits if data.sample is not None else ():
        if data.source == "tar":
            firsts = [scenario.video_path("overhead_view", scenario.overhead[0]) for scenario in _sample(data, name)]
            files.update(f"{data.root}/{path}" for path in firsts)
            continue
        source = open_source(data, name)
        views = {view for task in source.tasks(name) for view in wts.views("caption" if task == "test" else task)}
        for scenario in _sample(data, name):
            files.update(
                f"{data.root}/{scenario.video_path(view, file)}" for view, file in scenario.videos if view in views
            )
    return sorted(files)


def _sample_inputs(scenario: Scenario, task: str) -> list[str]:
    if task == "test":  # its questions are in one file
        return []
    if task == "caption":
        return [scenario.caption_path(view) for view in scenario.views]
    has_task = scenario.environment if task == "environment" else task in scenario.views
    return [scenario.vqa_path(task)] if has_task else []


def _sample(data: Data, split: str | None = None) -> list[Scenario]:
    if data.sample is None:
        return []
    from roadtrain.sample.tree import sample_scenarios

    return [item for item in sample_scenarios(_sample_spec(data)) if split in (None, item.split)]


def _sample_spec(data: Data) -> SampleSpec:
    from roadtrain.sample.tree import SampleSpec

    sample = data.sample
    assert sample is not None
    return SampleSpec(sample.seed, sample.train, sample.val, sample.test, tar=data.source == "tar")
