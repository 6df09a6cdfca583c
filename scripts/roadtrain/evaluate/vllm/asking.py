"""vLLM, offline: all questions about one clip in one batch, over one prefix.

vLLM splits a prompt into blocks and keeps their keys and values: the questions of a clip begin with the same blocks,
so the video goes through the model once. Its processor's output is kept too, under the name of the clip's file in the
frame cache, which is a hash of its content: nothing has to be hashed again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vllm import LLM, SamplingParams
from vllm.exceptions import VLLMValidationError
from vllm.lora.request import LoRARequest

from roadtrain.data.question import Question
from roadtrain.evaluate.replies import CannotAsk, Replies, Reply, letter_probabilities, letter_tokens
from roadtrain.evaluate.wording import Wording
from roadtrain.frames.index import ClipFrames, MediumFrames
from roadtrain.media import Clip
from roadtrain.model import adapters
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prompter


@dataclass
class CacheUse:
    """Of how many prompt tokens the keys and values were there already."""

    prompt_tokens: int = 0
    cached_tokens: int = 0

    def in_words(self) -> str:
        rate = self.cached_tokens / max(1, self.prompt_tokens)
        return f"prefix cache: {self.cached_tokens:,} of {self.prompt_tokens:,} prompt tokens ({rate:.1%}) were computed before"


class VllmAsker:
    """A checkpoint that vLLM has loaded."""

    def __init__(self, model: str, system_prompt: str, options: dict[str, Any]) -> None:
        self.prompter = Prompter(load_processor(model), system_prompt)
        self.stop_tokens = self.prompter.stop_tokens
        self.adapter: LoRARequest | None = None
        if adapters.is_adapter(model):
            adapters.check_language_only(model)
            self.adapter = LoRARequest("adapter", 1, str(Path(model).absolute()))
            options = options | {"enable_lora": True, "max_lora_rank": adapters.vllm_rank(adapters.adapter_rank(model))}
            model = str(adapters.checked_base(model))
        # One clip is in flight: room for two processed ones, whatever their size, would do; vLLM wants GiB.
        self.llm = LLM(model=model, mm_processor_cache_gb=1, **options)
        self.cache_use = CacheUse()

    def ask(
        self,
        clip: ClipFrames,
        names: list[str],
        questions: list[Question],
        wordings: list[Wording],
        *,
        only_letters: bool,
        check: bool = False,
    ) -> Replies:
        """`names`: of the clip's media, in order. Raises CannotAsk when the model doesn't take the clip (too long),
        ValueError when `check` finds other tokens than training's."""
        prompts = [self._prompt(clip, names, question) for question in questions]
        outputs = self._generate(prompts, questions, wordings, only_letters)
        if check:
            self._check_tokens(clip, questions, outputs)
        return self._replies(questions, outputs)

    def ask_without_media(
        self, clip: Clip, questions: list[Question], wordings: list[Wording], *, only_letters: bool
    ) -> Replies:
        """The same prompts with their media taken out. Raises CannotAsk as `ask`."""
        prefix = self.prompter.prefix_without_media(clip).input_ids.tolist()
        prompts = [{"prompt_token_ids": prefix + self.prompter.segment(q).prompt_ids} for q in questions]
        return self._replies(questions, self._generate(prompts, questions, wordings, only_letters))

    def _generate(
        self, prompts: list[dict[str, Any]], questions: list[Question], wordings: list[Wording], only_letters: bool
    ) -> list[Any]:
        sampling = [
            self._sampling(self._letters(question), wording, only_letters)
            for question, wording in zip(questions, wordings, strict=True)
        ]
        try:
            outputs: list[Any] = self.llm.generate(prompts, sampling, use_tqdm=False, lora_request=self.adapter)
        except (ValueError, VLLMValidationError) as error:  # vLLM checks a prompt's length before anything else
            raise CannotAsk(str(error).splitlines()[0]) from error
        return outputs

    def _letters(self, question: Question) -> list[int]:
        return letter_tokens(self.prompter.processor.tokenizer, question.options)

    def _replies(self, questions: list[Question], outputs: list[Any]) -> Replies:
        replies = {}
        for question, output in zip(questions, outputs, strict=True):
            self.cache_use.prompt_tokens += len(output.prompt_token_ids)
            self.cache_use.cached_tokens += output.num_cached_tokens or 0
            completion = output.outputs[0]
            tokens = [token for token in completion.token_ids if token not in self.stop_tokens]
            logits = [completion.logprobs[0][token].logprob for token in self._letters(question)]
            words = self.prompter.processor.tokenizer.decode(tokens).strip()
            replies[question.id] = Reply(words, letter_probabilities(list(question.options), logits))
        return replies

    def _prompt(self, clip: ClipFrames, names: list[str], question: Question) -> dict[str, Any]:
        media: dict[str, list[Any]] = {}
        uuids: dict[str, list[str]] = {}
        for medium, name in zip(clip.media, names, strict=True):
            media.setdefault(medium.kind, []).append(_vllm_medium(medium))
            uuids.setdefault(medium.kind, []).append(name)
        return {
            "prompt_token_ids": self.prompter.whole_prompt(question),
            "multi_modal_data": media,
            "multi_modal_uuids": uuids,
            "mm_processor_kwargs": {"do_sample_frames": False, "do_resize": False},  # the cache has done both
        }

    def _sampling(self, letters: list[int], wording: Wording, only_letters: bool) -> SamplingParams:
        limit: dict[str, Any] = {"max_tokens": wording.max_new_tokens}
        if only_letters and letters:
            limit = {"allowed_token_ids": letters, "max_tokens": 1}
        return SamplingParams(
            temperature=wording.temperature,
            seed=wording.seed,
            stop_token_ids=sorted(self.stop_tokens),
            logprob_token_ids=letters or None,
            detokenize=False,
            **limit,
        )

    def _check_tokens(self, clip: ClipFrames, questions: list[Question], outputs: list[Any]) -> None:
        prefix = self.prompter.prefix(clip).input_ids.tolist()
        for question, output in zip(questions, outputs, strict=True):
            if list(output.prompt_token_ids) != prefix + self.prompter.segment(question).prompt_ids:
                raise ValueError(
                    f"{question.id}: vLLM makes other prompt tokens than training: transformers differ"
                    " (versions in envs/vllm.yaml)"
                )


def _vllm_medium(medium: MediumFrames) -> Any:
    """A medium as vLLM takes it: a video's frames with their metadata, a picture as Pillow's."""
    if medium.kind == "video":
        return medium.frames.numpy(), medium.metadata | {"do_sample_frames": False}
    from PIL import Image

    return Image.fromarray(medium.frames[0].permute(1, 2, 0).numpy())
