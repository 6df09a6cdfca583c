"""Put the shards of an evaluation together: the files that one job would have written, byte for byte."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from roadtrain.data.llava import read_questions
from roadtrain.evaluate.evaluation import refuse_silence, save_predictions
from roadtrain.evaluate.failed_questions import FailedQuestion
from roadtrain.evaluate.predictions import PredictionRow, PredictionsSource, UnansweredVideo, checked_rows
from roadtrain.files import read_json, sha256_file


def merge_shards(
    llava: str, predictions: Sequence[Path], sources: Sequence[str], output: Path, source_output: str
) -> None:
    """Write all predictions in the conversations' order, and their source.

    Raises ValueError, naming the file, for shards of another checkpoint, data or setting, a shard that is missing or
    given twice, a question without a row.
    """
    source, unanswered, failed = _merge_sources(sources)
    if source["llava_sha256"] != sha256_file(llava):
        raise ValueError(f"{llava}: {sources[0]} is of other questions: evaluate the shards again")
    rows: dict[str, PredictionRow] = {}
    for path in predictions:
        for row in checked_rows(path):
            if row["id"] in rows:
                raise ValueError(f"{path}: question {row['id']} is in another shard too: evaluate the shards again")
            rows[row["id"]] = cast(PredictionRow, row)
    missing = [question.id for question in read_questions(llava) if question.id not in rows]
    if missing:
        raise ValueError(
            f"{llava}: no shard has question {missing[0]} ({len(missing)} missing): evaluate the shards again"
        )
    refuse_silence(list(rows.values()), unanswered, llava)
    save_predictions(output, source_output, list(rows.values()), source, unanswered, llava, failed)


def _merge_sources(paths: Sequence[str]) -> tuple[PredictionsSource, list[UnansweredVideo], list[FailedQuestion]]:
    """What the shards have in common, the videos that none could be asked about, the questions at which a server failed."""
    common: dict[str, Any] = {}
    numbers: list[str] = []
    unanswered: list[UnansweredVideo] = []
    failed: list[FailedQuestion] = []
    for path in paths:
        source = read_json(path)
        if not isinstance(source, dict) or not {"unanswered_videos", "llava_sha256"} <= source.keys():
            raise ValueError(f"{path}: no source of a shard's predictions: evaluate the shards again")
        numbers.append(source.pop("shard", "1/1"))
        unanswered += source.pop("unanswered_videos")
        failed += source.pop("failed_questions", [])
        common = common or source
        different = [key for key in common if source.get(key) != common[key]]
        if different:
            raise ValueError(f"{path}: {different[0]} isn't that of {paths[0]}: evaluate the shards again")
    count = len(paths)
    if sorted(numbers) != sorted(f"{n}/{count}" for n in range(1, count + 1)):
        raise ValueError(
            f"{paths[0]}: shards given: {', '.join(sorted(numbers))}; wanted: each of 1/{count} to {count}/{count} once"
        )
    return cast(PredictionsSource, common), unanswered, failed
