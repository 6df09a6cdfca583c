"""Raw data and base models, which nothing here makes. They are compared by content."""

import json
import re
from functools import cache
from pathlib import Path

from snakemake.logging import logger

from roadtrain.data.media_record import MediaLook, read_record
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
def test_annotations():
    """Those of the test alone: which scenarios and phases a submission must have."""
    return _or_their_folder(catalog.input_files(SPEC.data, "test"), SPEC.data.root)


@cache
def media_revisions():
    """{split: what names the state of its media}: another one when a medium that a question names is not what it was. Media
    are no inputs: which are named is known only after conversion, their names can be anything, and there are many.
    """
    return json.dumps({split: _media_revision(split) for split in SPLITS})


def _media_revision(split):
    record, kept = read_record(RUN.media(split)), f".snakemake/media/{SPEC.run}.{split}.json"
    look = MediaLook(
        catalog.media_root(SPEC.data, split),
        kept,
        catalog.finder(SPEC.data, split),
        follow_links=SPEC.data.media_links == "follow",
    )
    revision = look.revision(record)
    if record is not None and revision != record["revision"] and workflow.is_main_process:
        logger.info(f"Media of {split}: {revision.partition(': ')[2]}")
    return revision


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
