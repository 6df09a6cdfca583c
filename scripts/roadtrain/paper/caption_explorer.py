"""Captions of val as the report shows them: the reference beside each checkpoint's text, as compact data of the page."""

from typing import Any

from roadtrain.evaluate.caption_predictions import CaptionPrediction
from roadtrain.media import Clip
from roadtrain.results.reader import Results

MOST_CHARACTERS = 4_000_000  # of texts in the page; with more, phases spread evenly over the data are shown


def caption_rows(results: Results, clip_of: dict[str, Clip]) -> tuple[list[Clip], dict[str, Any]]:
    """(the clip of each row, JSON of the page's script): rows [[id, scenario, phase, subject, reference], ..], a row a caption;
    texts, each different one once; written[checkpoint][row] a number in texts, or null where it was not asked; total: rows in
    all. Empty where val has no captions."""
    of_checkpoint = (
        {(a.name, name): {c.id: c for c in a.captions(name)} for a, name in results.all_checkpoints()}
        if results.has_captions
        else {}
    )
    captions = {id: caption for rows in of_checkpoint.values() for id, caption in rows.items() if id in clip_of}
    order = [id for id in clip_of if id in captions]
    ids = _that_fit(order, captions, len(of_checkpoint))
    texts: dict[str, int] = {}

    def number(text: str | None) -> int | None:
        return None if text is None else texts.setdefault(text, len(texts))

    rows = []
    for id in ids:
        caption = captions[id]
        rows.append([id, caption.scenario, caption.label, caption.subject, number(caption.reference)])
    written = [[number(of[id].response) if id in of else None for id in ids] for of in of_checkpoint.values()]
    return [clip_of[id] for id in ids], {"rows": rows, "texts": list(texts), "written": written, "total": len(order)}


def _that_fit(ids: list[str], captions: dict[str, CaptionPrediction], checkpoints: int) -> list[str]:
    """All, or as many neighbours (both captions of a phase) as the page has room for, spread evenly."""
    size = sum(len(captions[id].reference) for id in ids) * (checkpoints + 1)
    if size <= MOST_CHARACTERS:
        return ids
    pairs = [ids[n : n + 2] for n in range(0, len(ids), 2)]
    count = max(1, len(pairs) * MOST_CHARACTERS // size)
    return [id for n in range(count) for id in pairs[n * len(pairs) // count]]
