"""Raw data and base models, which nothing here makes. They are inputs like others, compared by content."""

import re
from functools import cache
from pathlib import Path

from roadtrain.data.sources import catalog
from roadtrain.files import sha256_file

# Snakemake takes {..} in a file's name for a wildcard and <..> for a variable, also in what an input function returns.
READ_AS_A_PATTERN = re.compile(r"\{\s*[.\w]+\s*(,.*)?\}|<[a-z][a-z0-9_]*>")


def nameable(files):
    """Those that can be inputs."""
    return [path for path in files if not READ_AS_A_PATTERN.search(path)]


def unnameable(files):
    """{path: hash} of the others: as a parameter, their content decides as that of an input does."""
    return {path: sha256_file(path) for path in files if READ_AS_A_PATTERN.search(path) and Path(path).is_file()}


@cache
def annotation_files():
    """Annotations of every split."""
    return _or_their_folder(catalog.input_files(SPEC.data), SPEC.data.root)


@cache
def video_files(split=None):
    """Videos and pictures of a split (None: of all)."""
    return _or_their_folder(catalog.video_files(SPEC.data, split), catalog.media_root(SPEC.data, split or "train"))


@cache
def base_files(model):
    """Files of a base model that is a folder; [] of one that the Hugging Face hub has."""
    return sorted(str(path) for path in Path(model).glob("[!.]*") if path.is_file())


def _or_their_folder(files, folder):
    """Where only results were pulled there are no raw files; their missing folder then stands for them: Snakemake
    keeps what was made from it, and names it when that has to be made again.
    """
    pulled = not files and Path(RUN.audit).exists() and not Path(folder).exists()
    return [folder] if pulled else files
