"""vLLM, offline: all questions about one clip in one batch, over one prefix.

vLLM splits a prompt into blocks and keeps their keys and values: the questions of a clip begin with the same blocks,
so the video goes through the model once. Its processor's output is kept too, under the name of the clip's file in the
frame cache, which is a hash of its content: nothing has to be hashed again.
"""

from dataclasses import dataclass
from typing import Any

from vllm import LLM, SamplingParams
from vllm.exceptions import VLLMValidationError

from roadtrain.data.llava import Entry
from roadtrain.evaluate.evaluation import CannotAsk, Replies, Reply, letter_probabilities, letter_tokens
from roadtrain.frames.index import Clip, Several
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import ANSWER_END, Prompter


@dataclass
class Hits:
    """Of how many prompt tokens the keys and values were there already."""

    prompt_tokens: int = 0
    cached_tokens: int = 0

    def in_words(self) -> str:
        rate = self.cached_tokens / max(1, self.prompt_tokens)
        return f"prefix cache: {self.cached_tokens:,} of {self.prompt_tokens:,} prompt tokens ({rate:.1%}) were computed before"


class Engine:
    def __init__(self, model: str, system_prompt: str, options: dict[str, Any]):
        self.prompter = Prompter(load_processor(model), system_prompt)
        tokenizer = self.prompter.processor.tokenizer
        self.stop = {tokenizer.convert_tokens_to_ids(ANSWER_END), tokenizer.eos_token_id}
        # One clip is in flight: room for two processed ones, whatever their size, would do; vLLM wants GiB.
        self.llm = LLM(model=model, mm_processor_cache_gb=1, **options)
        self.hits = Hits()

    def ask(
        self,
        clip: Clip | Several,
        names: list[str],
        entries: list[Entry],
        max_new_tokens: int,
        only_letters: bool,
        check: bool = False,
    ) -> Replies:
        """`names`: of the clip's media, in order. Raises CannotAsk when the model doesn't take the clip (too long), ValueError when `check` finds other tokens
        than training's."""
        tokenizer = self.prompter.processor.tokenizer
        letters = [letter_tokens(tokenizer, entry.options) for entry in entries]
        prompts = [self._prompt(clip, names, entry) for entry in entries]
        sampling = [self._sampling(ids, max_new_tokens, only_letters) for ids in letters]
        try:
            outputs = self.llm.generate(prompts, sampling, use_tqdm=False)
        except (ValueError, VLLMValidationError) as error:  # vLLM checks a prompt's length before anything else
            raise CannotAsk(str(error).splitlines()[0]) from error
        if check:
            self._check(clip, entries, outputs)
        replies = {}
        for entry, ids, output in zip(entries, letters, outputs):
            self.hits.prompt_tokens += len(output.prompt_token_ids)
            self.hits.cached_tokens += output.num_cached_tokens or 0
            said = output.outputs[0]
            tokens = [token for token in said.token_ids if token not in self.stop]
            logits = [said.logprobs[0][token].logprob for token in ids]
            replies[entry.id] = Reply(
                tokenizer.decode(tokens).strip(), letter_probabilities(list(entry.options), logits)
            )
        return replies

    def _prompt(self, clip: Clip | Several, names: list[str], entry: Entry) -> dict[str, Any]:
        data: dict[str, list] = {}
        named: dict[str, list[str]] = {}
        media = [part for part in clip.parts if isinstance(part, Clip)] if isinstance(clip, Several) else [clip]
        for one, name in zip(media, names, strict=True):
            data.setdefault(one.kind, []).append(_given(one))
            named.setdefault(one.kind, []).append(name)
        return {
            "prompt": self.prompter.text(entry),
            "multi_modal_data": data,
            "multi_modal_uuids": named,
            "mm_processor_kwargs": {"do_sample_frames": False, "do_resize": False},  # the cache has done both
        }

    def _sampling(self, letters: list[int], max_new_tokens: int, only_letters: bool) -> SamplingParams:
        limit = (
            {"allowed_token_ids": letters, "max_tokens": 1}
            if only_letters and letters
            else {"max_tokens": max_new_tokens}
        )
        return SamplingParams(
            temperature=0,
            seed=0,
            stop_token_ids=sorted(self.stop),
            logprob_token_ids=letters or None,
            detokenize=False,
            **limit,
        )

    def _check(self, clip: Clip | Several, entries: list[Entry], outputs: list[Any]) -> None:
        prefix = self.prompter.prefix(clip).input_ids.tolist()
        for entry, output in zip(entries, outputs):
            if list(output.prompt_token_ids) != prefix + self.prompter.segment(entry).prompt_ids:
                raise ValueError(
                    f"{entry.id}: vLLM makes other prompt tokens than training: transformers differ (versions in envs/vllm.yaml)"
                )


def _given(clip: Clip) -> Any:
    """A medium as vLLM takes it: a video's frames with their metadata, a picture as Pillow's."""
    if clip.kind == "video":
        return clip.frames.numpy(), clip.metadata | {"do_sample_frames": False}
    from PIL import Image

    return Image.fromarray(clip.frames[0].permute(1, 2, 0).numpy())
