"""Ids of entries: <media stem>_<block's prefix><index>, or the annotation's own, with the turn or the camera where there are
several. No two questions of a file may have one: predictions, votes and comparisons go by them."""

import re

from roadtrain.data.compact import hash64
from roadtrain.data.sources.base import Block, stem

NUMBER = re.compile(r"\d+")


def is_text(name: str) -> bool:
    """Whether a name can be written to a file: Python reads a Latin-1 name on disk as half surrogate pairs."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def entry_ids(block: Block, name: str, rows: bool) -> dict[str, int]:
    """{id: its hash} of what a block about one medium must have alone."""
    if not rows and block.questions[0].id is None:
        # The questions of a block have numbers of their own: it is enough that their first part is.
        prefix = f"{stem(name)}_{block.prefix}"
        return {f"{prefix}{block.questions[0].index}": hash64(prefix)}
    several = len(block.media) > 1 and not block.together and not block.views
    ids: list[str] = []
    for draft in block.questions:
        id = f"{stem(name)}_{block.prefix}{draft.index}" if draft.id is None else draft.id
        if several and draft.id is not None:
            if name == block.media[0].file:
                ids.append(id)  # what the submission calls it: of each question another
            id = f"{id}@{stem(name)}"
        ids.append(id)
        ids += [f"{id}#{turn}" for turn in range(2, len(draft.content.turns) + 1)]  # as roadtrain.data.llava reads
    return {id: hash64(id) for id in ids}
