"""Steps of decoding: one token of every question of a clip at a time, on the keys and values of the clip.

growing    the cache grows by K keys a step: transformers' own, anywhere
fixed      a GPU's: keys and values lie in memory of a fixed size, so that a step is always the same kernels at the same
           addresses. They are recorded once (a CUDA graph) and replayed: issuing some thousand small kernels from
           Python takes ten times as long as running them

K is the number of questions, C the number of keys, the letters of shapes are those of roadtrain.model.
"""

import sys
from typing import Any, Protocol

import torch

from roadtrain.model.forward import decoder_states
from roadtrain.model.sequences import TokenSequence

KEYS, QUESTIONS = 1024, 8  # sizes are rounded up to multiples: few graphs


class Decoding(Protocol):
    """Of one clip: `cache` collects the sequence's keys and values, then each step is given a token a question."""

    @property
    def cache(self) -> Any: ...

    def step(self, tokens_K: torch.Tensor) -> torch.Tensor:
        """-> logits [K, U] of each question's next token."""
        ...


def begin(model: Any, sequence: TokenSequence, questions: int, steps: int, fixed: "FixedKeys | None") -> Decoding:
    """`steps`: at most so many. `fixed`: the memory that clip after clip is decoded in; None: a cache that grows."""
    if fixed is None:
        return _Growing(model, sequence, questions)
    fixed.begin(sequence, questions, steps)
    return fixed


def fixed_keys(model: Any) -> "FixedKeys | None":
    """What a model decodes in where that is faster: on a GPU."""
    return FixedKeys(model) if next(model.parameters()).is_cuda else None


class _Growing:
    def __init__(self, model: Any, sequence: TokenSequence, questions: int) -> None:
        from transformers import DynamicCache

        self._model, device = model, model.lm_head.weight.device
        self.cache = DynamicCache(config=model.config.text_config)
        self._segment_K = torch.arange(1, questions + 1, device=device)
        self._segment_C = visible_segments(sequence).to(device)
        # A question's next position (time, row, column), counted on from its last token.
        self._position_3K = sequence.position_ids[:, sequence.answer_positions].to(device)

    def step(self, tokens_K: torch.Tensor) -> torch.Tensor:
        self._position_3K = self._position_3K + 1
        self._segment_C = torch.cat([self._segment_C, self._segment_K])
        mask_KC = (self._segment_C[None] == 0) | (self._segment_C[None] == self._segment_K[:, None])
        return _next_logits(self._model, tokens_K, self._position_3K, self.cache, mask_KC)


def visible_segments(sequence: TokenSequence) -> torch.Tensor:
    """int64 [L]: which question a token belongs to, 0: the clip, -1: padding, which none sees."""
    return sequence.segment_ids.masked_fill(sequence.clip_ids > 0, -1)


def _next_logits(
    model: Any, tokens_K: torch.Tensor, position_3K: torch.Tensor, cache: Any, mask_KC: torch.Tensor
) -> torch.Tensor:
    decoder = model.model.language_model
    x_KD = decoder.embed_tokens(tokens_K)
    hidden_KD = decoder_states(decoder, x_KD, position_3K, cache, {"attention_mask": mask_KC[None, None]})
    logits_KU: torch.Tensor = model.lm_head(hidden_KD)
    return logits_KU


class FixedKeys:
    """Memory for the keys and values of one clip after the other, and the recorded steps. Also transformers' cache: its
    layers call `update`.

    Rows beyond the questions (K is rounded up) see the clip and themselves, and nobody looks at what comes of them.
    """

    def __init__(self, model: Any, record: bool = True) -> None:
        """`record`: CUDA graphs; without, the same steps are issued one by one."""
        self._model, self._record = model, record
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []  # of each layer, [1, G, most C, E]
        self._steps: dict[tuple[int, int], _Step] = {}  # by K and C, both rounded up
        self._now: _Step | None = None  # None: the sequence itself is computed
        self._length = self._questions = 0

    @property
    def cache(self) -> "FixedKeys":
        """What a forward's layers hand their keys and values to."""
        return self

    def begin(self, sequence: TokenSequence, questions: int, steps: int) -> None:
        """Another clip: its sequence comes next."""
        self._length, self._questions, self._now = len(sequence.input_ids), questions, None
        rows = -(-questions // QUESTIONS) * QUESTIONS
        keys = -(-(self._length + rows * steps) // KEYS) * KEYS
        if not self._kept or self._kept[0][0].shape[2] < keys:
            self._allocate(keys)
        if (rows, keys) not in self._steps:
            self._steps[rows, keys] = _Step(self._model, self, rows, keys)
        self._next = self._steps[rows, keys]
        self._next.start(sequence, questions)

    def _allocate(self, keys: int) -> None:
        weight, text = self._model.lm_head.weight, self._model.config.text_config
        self._kept, self._steps = [], {}  # what was recorded reads the old memory
        shape = (1, text.num_key_value_heads, keys, text.head_dim)
        # Zeros: what no question sees is still multiplied, by 0.
        like = {"dtype": weight.dtype, "device": weight.device}
        self._kept = [(torch.zeros(shape, **like), torch.zeros(shape, **like)) for _ in range(text.num_hidden_layers)]

    def update(
        self, k_1GLE: torch.Tensor, v_1GLE: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a layer's keys and values. Returns those that its attention reads."""
        keys, values = self._kept[layer]
        if self._now is None:
            keys[:, :, : self._length].copy_(k_1GLE)
            values[:, :, : self._length].copy_(v_1GLE)
            return k_1GLE, v_1GLE
        most = self._now.mask_KC.shape[1]
        keys.index_copy_(2, self._now.at_K, k_1GLE)
        values.index_copy_(2, self._now.at_K, v_1GLE)
        return keys[:, :, :most], values[:, :, :most]

    def step(self, tokens_K: torch.Tensor) -> torch.Tensor:
        """A token a question -> logits [K, U] of each question's next one; valid until the next step."""
        self._now = self._next
        return self._now.run(tokens_K, self._record)[: self._questions]


class _Step:
    """A step with so many rows and keys: its inputs, in memory that stays, and its graph."""

    def __init__(self, model: Any, cache: FixedKeys, rows: int, keys: int) -> None:
        self._model, self._cache, device = model, cache, model.lm_head.weight.device
        self._graph: Any = None
        self._tokens_K = torch.zeros(rows, dtype=torch.long, device=device)
        self._position_3K = torch.zeros(3, rows, dtype=torch.long, device=device)
        self._row_K = torch.arange(rows, device=device)
        self._segment_C = torch.full((keys,), -1, dtype=torch.long, device=device)
        self.at_K = torch.zeros(rows, dtype=torch.long, device=device)  # where a step's keys are written
        self.mask_KC = torch.zeros(rows, keys, dtype=torch.bool, device=device)
        self._logits_KU: torch.Tensor | None = None

    def start(self, sequence: TokenSequence, questions: int) -> None:
        length = len(sequence.input_ids)
        self._segment_C.fill_(-1)
        self._segment_C[:length].copy_(visible_segments(sequence), non_blocking=True)
        self._position_3K.zero_()
        self._position_3K[:, :questions].copy_(sequence.position_ids[:, sequence.answer_positions], non_blocking=True)
        self.at_K.copy_(self._row_K + (length - len(self._row_K)))  # a step goes on by K

    def run(self, tokens_K: torch.Tensor, record: bool) -> torch.Tensor:
        """-> logits [rows, U]."""
        self._tokens_K[: len(tokens_K)].copy_(tokens_K)
        self._position_3K.add_(1)
        self.at_K.add_(len(self._row_K))
        self._segment_C.index_copy_(0, self.at_K, self._row_K + 1)
        seen_KC = (self._segment_C[None] == 0) | (self._segment_C[None] == self._row_K[:, None] + 1)
        self.mask_KC.copy_(seen_KC)
        if record and self._graph is None:
            self._graph = self._recorded()
        if self._graph:
            self._graph.replay()
            assert self._logits_KU is not None
            return self._logits_KU
        return self._forward()

    def _forward(self) -> torch.Tensor:
        return _next_logits(self._model, self._tokens_K, self._position_3K, self._cache, self.mask_KC)

    def _recorded(self) -> Any:
        """The step's graph, or False where a layer can't be recorded: it asks the GPU for a number, as some quantized ones
        do. A step writes the same keys to the same places however often it is computed."""
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):  # libraries set themselves up
                self._forward()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        try:
            # thread_local: other threads prefetch the next clips, and take page-locked memory meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._logits_KU = self._forward()
        except RuntimeError as error:
            print(f"steps of decoding aren't recorded: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
            return False
        return graph
