"""A rank's sequences, made in other threads before the GPU asks for them: those of the next step and the next epoch, too.

cosmos-rl hands over a step when the step begins. What comes after it is in the plan, which every rank knows whole.
"""

from collections.abc import Callable, Iterator

from roadtrain.model.prefetch import Prefetched
from roadtrain.model.sequences import TokenSequence
from roadtrain.train.cosmos.plan import PlannedGroup

Pass = tuple[PlannedGroup, ...]
Follow = Callable[[PlannedGroup], Iterator[Pass]]  # a pass's first group -> it and all passes that come after it
Entry = tuple[Pass, TokenSequence]


class SequencesAhead:
    """`take(planned)` for one pass after the other, as planned; another pass than the next one begins anew from there."""

    def __init__(self, make: Callable[[Pass], TokenSequence], follow: Follow, threads: int) -> None:
        self._make, self._follow, self._threads = make, follow, threads
        self._ahead: Prefetched[Pass, Entry] | None = None
        self._waited_before = 0.0

    def take(self, planned: Pass) -> TokenSequence:
        """The sequence of a pass. Raises what making it raises."""
        entry = next(self._begun(planned), None)
        if entry is None or entry[0] != planned:  # not the order that we know
            self.close()
            entry = next(self._begun(planned))
        return entry[1]

    @property
    def waited(self) -> float:
        """Seconds that `take` has waited, in all."""
        return self._waited_before + (self._ahead.waited if self._ahead is not None else 0.0)

    def close(self) -> None:
        """Drop what was made and not taken."""
        if self._ahead is not None:
            self._waited_before += self._ahead.waited
            self._ahead.close()
        self._ahead = None

    def _begun(self, planned: Pass) -> Prefetched[Pass, Entry]:
        if self._ahead is None:
            self._ahead = Prefetched(self._entry, self._follow(planned[0]), self._threads)
        return self._ahead

    def _entry(self, planned: Pass) -> Entry:
        return planned, self._make(planned)
