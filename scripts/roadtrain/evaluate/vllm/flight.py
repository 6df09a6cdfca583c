"""Several clips in vLLM's engine at a time: the next are read and tokenized while the GPU answers, within a limit of memory.

What is in flight is counted in bytes of pixels as the processor writes them, so that a few long clips fill it as many
short ones do. Replies come in the clips' order, each as soon as those before it are there.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from roadtrain.evaluate.replies import CannotAsk, Replies
from roadtrain.model.prefetch import Prefetched

Item = TypeVar("Item")
Prompts = TypeVar("Prompts")
Input = TypeVar("Input", contravariant=True)


class Engine(Protocol[Input]):
    """What VllmAsker does; here without vLLM, for tests."""

    def add(self, prompts: Input, name: str) -> list[str]: ...

    def step(self) -> dict[str, Any]: ...

    def replies(self, prompts: Input, outputs: list[Any]) -> Replies: ...


@dataclass
class _Flight(Generic[Item, Prompts]):
    """A clip on its way."""

    item: Item
    prompts: Prompts | None = None
    requests: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    result: Replies | CannotAsk | None = None  # set at its end


class InFlight(Generic[Item, Prompts]):
    """Asks an engine about clip after clip. `prepared` makes each one's prompts, or says why it can't be asked."""

    def __init__(
        self,
        engine: Engine[Prompts],
        items: list[Item],
        prepared: Prefetched[Item, Prompts | CannotAsk],
        most: int,
    ) -> None:
        """`most`: clips at a time, however small they are: what a kill can cost."""
        self._engine, self._prepared, self._most = engine, prepared, most
        self._waiting = deque(items)
        self._flights: deque[_Flight[Item, Prompts]] = deque()
        self._of_request: dict[str, _Flight[Item, Prompts]] = {}
        self._started = 0

    def replies(self) -> Iterator[Replies | CannotAsk]:
        """In the items' order. What preparing a clip raises is raised here when all clips before it are answered."""
        failure: Exception | None = None
        while self._flights or (self._waiting and failure is None):
            while failure is None and self._can_start():
                try:
                    self._start(self._waiting.popleft())
                except Exception as error:
                    failure = error
            while self._flights and self._flights[0].result is not None:
                yield self._flights.popleft().result  # type: ignore[misc]  # it is not None
            if self._of_request:
                self._collect(self._engine.step())
        if failure is not None:
            raise failure

    def _can_start(self) -> bool:
        if not self._waiting or len(self._flights) >= self._most:
            return False
        return not self._of_request or self._prepared.ready()

    def _start(self, item: Item) -> None:
        prompts = next(self._prepared)
        flight = _Flight[Item, Prompts](item)
        if isinstance(prompts, CannotAsk):
            self._end(flight, prompts)
        else:
            try:
                flight.requests = self._engine.add(prompts, str(self._started))
                flight.prompts = prompts
                self._of_request |= dict.fromkeys(flight.requests, flight)
                if not flight.requests:  # nothing is asked: no step would ever end it
                    self._end(flight, {})
            except CannotAsk as reason:
                self._end(flight, reason)
        self._started += 1
        self._flights.append(flight)

    def _collect(self, outputs: dict[str, Any]) -> None:
        for request, output in outputs.items():
            flight = self._of_request.pop(request, None)
            if flight is None:  # of a clip that was taken back: one of its questions is too long
                continue
            flight.outputs[request] = output
            if len(flight.outputs) == len(flight.requests):
                assert flight.prompts is not None
                ordered = [flight.outputs[name] for name in flight.requests]
                self._end(flight, self._engine.replies(flight.prompts, ordered))

    def _end(self, flight: _Flight[Item, Prompts], result: Replies | CannotAsk) -> None:
        flight.result = result
        flight.prompts, flight.outputs = None, {}  # pixels go
        self._prepared.release(flight.item)
