"""Which data sets a split's questions and media come from, counted while they are converted: what a checkpoint has seen.

A source that reads several sets, or one that others call by a name, has a method `set_of(file)`: the set of a medium. What is
somebody's own has no name, and nobody knows whether it is synthetic. `content` is a hash over the prints of a set's media
(roadtrain.data.media_record): the same files give the same one, whatever they are called and wherever they lie.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from roadtrain.data.audit_json import SetCounts
from roadtrain.data.sources.base import Source
from roadtrain.files import sha256_json

OWN = "own data"
WTS, SYNWTS, BDD, WTS_TEST, SAMPLE, TAR = "WTS", "SynWTS", "BDD_PC_5K", "WTS public test", "bundled sample", "TAR"
SYNTHETIC = {WTS: False, SYNWTS: True, BDD: False, WTS_TEST: False, SAMPLE: True, TAR: False}


@dataclass
class SetTally:
    """One data set in a split, in the making."""

    questions: int = 0
    media: dict[str, str | None] = field(default_factory=dict)  # good ones: their prints

    def report(self, name: str) -> SetCounts:
        """What the audit says of it."""
        prints = sorted(content for content in self.media.values() if content is not None)
        whole = len(prints) == len(self.media)
        return {
            "synthetic": SYNTHETIC.get(name.partition(": ")[0]),
            "questions": self.questions,
            "media": len(self.media),
            "content": sha256_json(prints)[:16] if whole else None,
        }


def set_of(source: Source, file: str) -> str:
    """The data set that a medium of a source is of."""
    method: Callable[[str], str] | None = getattr(source, "set_of", None)
    return OWN if method is None else method(file)
