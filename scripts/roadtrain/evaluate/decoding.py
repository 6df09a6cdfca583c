"""Steps of decoding: one token of every question at a time, on the keys and values of the clip, or of several clips.

growing    the cache grows by K keys a step: transformers' own, anywhere
fixed      a GPU's: keys and values lie in memory of a fixed size, so that a step is always the same kernels at the same
           addresses. They are recorded once (a CUDA graph) and replayed: issuing some thousand small kernels from
           Python takes ten times as long as running them

B is the number of clips, K that of a clip's questions (of all, where there is no B), C that of keys; the other letters of shapes are those of roadtrain.model.
"""

import itertools
import sys
from typing import Any, Protocol

import torch

from roadtrain.model import attention
from roadtrain.model.forward import decoder_states
from roadtrain.model.sequences import TokenSequence

KEYS, QUESTIONS = 1024, 8  # sizes are rounded up to multiples: few graphs


class Decoding(Protocol):
    """Of one sequence: `cache` collects its keys and values, then each step is given a token a question."""

    @property
    def cache(self) -> Any: ...

    def step(self, tokens_K: torch.Tensor) -> torch.Tensor:
        """-> logits [K, U] of each question's next token."""
        ...


def begin(model: Any, sequence: TokenSequence, steps: int, fixed: "FixedKeys | None") -> Decoding:
    """`steps`: at most so many. `fixed`: the memory that one sequence after the other is decoded in; None: a cache that grows."""
    if fixed is None:
        return _Growing(model, sequence)
    fixed.begin(sequence, steps)
    return fixed


def fixed_keys(model: Any) -> "FixedKeys | None":
    """What a model decodes in where that is faster: on a GPU."""
    flex = attention.attention_kind(model) == "flex"
    return FixedKeys(model) if flex and next(model.parameters()).is_cuda else None


class _Growing:
    def __init__(self, model: Any, sequence: TokenSequence) -> None:
        from transformers import DynamicCache

        self._model, device = model, model.lm_head.weight.device
        self.cache = DynamicCache(config=model.config.text_config)
        clip_L, owner_L = owners(sequence)
        self._clip_K, self._owner_K = (part[sequence.answer_positions].to(device) for part in (clip_L, owner_L))
        self._clip_C, self._owner_C = clip_L.to(device), owner_L.to(device)
        # A question's next position (time, row, column), counted on from its last token.
        self._position_3K = sequence.position_ids[:, sequence.answer_positions].to(device)

    def step(self, tokens_K: torch.Tensor) -> torch.Tensor:
        self._position_3K = self._position_3K + 1
        self._clip_C = torch.cat([self._clip_C, self._clip_K])
        self._owner_C = torch.cat([self._owner_C, self._owner_K])
        mask_KC = _seen(self._clip_K, self._clip_C, self._owner_K, self._owner_C)
        return _next_logits(self._model, tokens_K, self._position_3K, self.cache, mask_KC[None, None])


def owners(sequence: TokenSequence) -> tuple[torch.Tensor, torch.Tensor]:
    """int64 [L] each: the clip that a token belongs to, and the question, counted over all clips from 1; 0: the clip itself.
    Padding is a clip that has no question."""
    clip_L, segment_L = sequence.clip_ids, sequence.segment_ids
    clip_K, segment_K = clip_L[sequence.answer_positions], segment_L[sequence.answer_positions]
    before_of_clip = torch.zeros(int(clip_L.max()) + 1, dtype=torch.long)  # questions of the clips before one
    before_of_clip[clip_K] = torch.arange(len(clip_K)) + 1 - segment_K
    return clip_L, torch.where(segment_L > 0, segment_L + before_of_clip[clip_L], 0)


def _seen(clip_K: torch.Tensor, clip_C: torch.Tensor, owner_K: torch.Tensor, owner_C: torch.Tensor) -> torch.Tensor:
    """bool [K, C]: a question sees its clip and itself."""
    return (clip_C[None] == clip_K[:, None]) & ((owner_C[None] == 0) | (owner_C[None] == owner_K[:, None]))


def _next_logits(
    model: Any, tokens_K: torch.Tensor, position_3K: torch.Tensor, cache: Any, mask: torch.Tensor
) -> torch.Tensor:
    decoder = model.model.language_model
    x_KD = decoder.embed_tokens(tokens_K)
    hidden_KD = decoder_states(decoder, x_KD, position_3K, cache, {"attention_mask": mask})
    logits_KU: torch.Tensor = model.lm_head(hidden_KD)
    return logits_KU


class FixedKeys:
    """Memory for the keys and values of one sequence after the other, and the recorded steps. Also transformers' cache: its
    layers call `update`. Every clip of a sequence has a part of its own, so that a question's attention reads its clip
    alone; the model attends by attention.flex_attention.

    Rows beyond a clip's questions (K is rounded up) see the clip and themselves, and nobody looks at what comes of them.
    """

    def __init__(self, model: Any, record: bool = True) -> None:
        """`record`: CUDA graphs; without, the same steps are issued one by one."""
        self._model, self._record = model, record
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []  # of each layer, [most B, G, most C, E]
        self._steps: dict[tuple[int, int, int], _Step] = {}  # by clips, K and C, both rounded up
        self._now: _Step | None = None  # None: the sequence itself is computed
        self._places: list[tuple[int, int]] = []  # where each clip lies in the sequence: from, to

    @property
    def cache(self) -> "FixedKeys":
        """What a forward's layers hand their keys and values to."""
        return self

    def begin(self, sequence: TokenSequence, steps: int) -> None:
        """Another sequence comes next."""
        clip_K = sequence.clip_ids[sequence.answer_positions]
        counts, lengths = torch.bincount(clip_K).tolist(), torch.bincount(sequence.clip_ids).tolist()
        ends = list(itertools.accumulate(lengths))
        self._places = list(zip([0, *ends], ends, strict=False))[: len(counts)]  # what pads the sequence is left out
        self._now = None
        longest = max(lengths[: len(counts)])
        rows = -(-max(counts) // QUESTIONS) * QUESTIONS
        keys = -(-(longest + rows * steps) // KEYS) * KEYS
        if not self._kept or self._kept[0][0].shape[0] < len(counts) or self._kept[0][0].shape[2] < keys:
            self._allocate(len(counts), keys)
        size = (len(counts), rows, keys)
        if size not in self._steps:
            self._steps[size] = _Step(self._model, self, *size)
        self._next = self._steps[size]
        self._next.start(sequence, self._places, longest)

    def _allocate(self, clips: int, keys: int) -> None:
        weight, text = self._model.lm_head.weight, self._model.config.text_config
        if self._kept:
            before = self._kept[0][0].shape
            clips, keys = max(clips, before[0]), max(keys, before[2])
        self._kept, self._steps = [], {}  # what was recorded reads the old memory
        shape = (clips, text.num_key_value_heads, keys, text.head_dim)
        # Zeros: what no question sees is still multiplied, by 0.
        like = {"dtype": weight.dtype, "device": weight.device}
        self._kept = [(torch.zeros(shape, **like), torch.zeros(shape, **like)) for _ in range(text.num_hidden_layers)]

    def update(
        self, k_1GLE: torch.Tensor, v_1GLE: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a layer's keys and values. Returns those that its attention reads: the sequence's, or in a step
        [B, G, C, E]."""
        kept = self._kept[layer]
        if self._now is None:
            for clip, (start, end) in enumerate(self._places):
                for memory, new_1GLE in zip(kept, (k_1GLE, v_1GLE), strict=True):
                    memory[clip, :, : end - start].copy_(new_1GLE[0, :, start:end])
            return k_1GLE, v_1GLE
        clips, _rows, most = self._now.size
        for memory, new_1GLE in zip(kept, (k_1GLE, v_1GLE), strict=True):
            new_BGKE = new_1GLE[0].reshape(new_1GLE.shape[1], clips, -1, new_1GLE.shape[3]).transpose(0, 1)
            memory[:clips].index_copy_(2, self._now.at_K, new_BGKE)
        return kept[0][:clips, :, :most], kept[1][:clips, :, :most]

    def step(self, tokens_K: torch.Tensor) -> torch.Tensor:
        """A token a question -> logits [K, U] of each question's next one."""
        self._now = self._next
        return self._now.run(tokens_K, self._record)


class _Step:
    """A step with so many clips, rows of each and keys: its inputs, in memory that stays, and its graph."""

    def __init__(self, model: Any, cache: FixedKeys, clips: int, rows: int, keys: int) -> None:
        self._model, self._cache, self.size = model, cache, (clips, rows, keys)
        like = {"dtype": torch.long, "device": model.lm_head.weight.device}
        self._graph: Any = None
        self._tokens_R = torch.zeros(clips * rows, **like)  # R: the rows of all clips
        self._position_3R = torch.zeros(3, clips * rows, **like)
        self._row_K = torch.arange(rows, **like)
        self._owner_BC = torch.zeros(
            clips, keys, **like
        )  # which of its clip's questions a key belongs to, from 1; 0: the clip
        self._at_R = torch.zeros(0, **like)  # the rows of the questions
        self.at_K = torch.zeros(rows, **like)  # where a step's keys are written, in every clip
        self.mask_BKC = torch.zeros(clips, rows, keys, dtype=torch.bool, device=like["device"])
        self._logits_RU: torch.Tensor | None = None

    def start(self, sequence: TokenSequence, places: list[tuple[int, int]], longest: int) -> None:
        """`places`: where each clip lies in the sequence; `longest`: tokens of the longest."""
        device, rows = self.at_K.device, self.size[1]
        owner_BC = torch.full(self.size[::2], -1)  # nobody's, until a step writes there
        for clip, (start, end) in enumerate(places):
            owner_BC[clip, : end - start] = sequence.segment_ids[start:end]
        self._owner_BC.copy_(owner_BC)
        at_K = sequence.answer_positions
        self._at_R = (sequence.clip_ids[at_K] * rows + sequence.segment_ids[at_K] - 1).to(device)
        self._position_3R.zero_()
        self._position_3R.index_copy_(1, self._at_R, sequence.position_ids[:, at_K].to(device))
        self.at_K.copy_(self._row_K + (longest - rows))  # a step goes on by K

    def run(self, tokens_K: torch.Tensor, record: bool) -> torch.Tensor:
        """-> logits [K, U]."""
        self._tokens_R.index_copy_(0, self._at_R, tokens_K)
        self._position_3R.add_(1)
        self.at_K.add_(len(self._row_K))
        own_K = self._row_K + 1
        self._owner_BC.index_copy_(1, self.at_K, own_K.expand(self.size[0], -1))
        self.mask_BKC.copy_((self._owner_BC[:, None] == 0) | (self._owner_BC[:, None] == own_K[None, :, None]))
        if record and self._graph is None:
            self._graph = self._recorded()
        if self._graph:
            self._graph.replay()
            logits_RU = self._logits_RU
            assert logits_RU is not None
        else:
            logits_RU = self._forward()
        return logits_RU.index_select(0, self._at_R)

    def _forward(self) -> torch.Tensor:
        return _next_logits(self._model, self._tokens_R, self._position_3R, self._cache, self.mask_BKC[:, None])

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
                self._logits_RU = self._forward()
        except RuntimeError as error:
            print(f"steps of decoding aren't recorded: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
            return False
        return graph
