"""vLLM, offline: what its engine is given of a clip, and what its answers are.

vLLM splits a prompt into blocks and keeps their keys and values: the questions of a clip begin with the same blocks,
so the video goes through the model once. Its processor's output is kept too, under a name that we give: nothing has to
be hashed. The processor sees a clip twice, however many questions it has: the first question brings the media, the second
says how vLLM names media that it has already, and the others differ from it in the question's tokens only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vllm import LLM, SamplingParams
from vllm.exceptions import VLLMValidationError
from vllm.lora.request import LoRARequest
from vllm.sampling_params import RequestOutputKind

from roadtrain.data.question import Question
from roadtrain.evaluate.replies import CannotAsk, Replies, Reply, check_ended, letter_probabilities, letter_tokens
from roadtrain.evaluate.wording import Wording
from roadtrain.frames.index import ClipFrames, MediumFrames
from roadtrain.media import Clip
from roadtrain.model import adapters
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prompter

# GiB of processed media that both of vLLM's processes know of: more than a clip has, since what was sent is forgotten soon.
PROCESSOR_CACHE = 1


@dataclass
class CacheUse:
    """Of how many prompt tokens the keys and values were there already."""

    prompt_tokens: int = 0
    cached_tokens: int = 0

    def in_words(self) -> str:
        rate = self.cached_tokens / max(1, self.prompt_tokens)
        return f"prefix cache: {self.cached_tokens:,} of {self.prompt_tokens:,} prompt tokens ({rate:.1%}) were computed before"


@dataclass(frozen=True)
class ClipRequests:
    """A clip's questions as vLLM's engine takes them."""

    questions: list[Question]
    inputs: list[Any]  # tokens and processed media of each
    sampling: list[SamplingParams]
    letters: list[list[int]]  # token ids of each question's option letters


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
        self.llm = LLM(model=model, mm_processor_cache_gb=PROCESSOR_CACHE, **options)
        self.cache_use = CacheUse()

    def prompts(
        self,
        clip: ClipFrames,
        names: list[str],
        questions: list[Question],
        wordings: list[Wording],
        *,
        only_letters: bool,
        check: bool = False,
    ) -> ClipRequests:
        """`names`: of the clip's media, in order, and no other clip's. Call it in one thread. Raises CannotAsk when vLLM's
        processor doesn't take the clip, ValueError when `check` finds other tokens than training's."""
        segments = [self.prompter.segment(question).prompt_ids for question in questions]
        first, *others = [self._raw_prompt(clip, names, question) for question in questions]
        rendered = [self._rendered(prompt) for prompt in [first, *(others if check else others[:1])]]
        prefix = _without_end(rendered[0]["prompt_token_ids"], segments[0], questions[0])
        if check:
            self._check_tokens(clip, questions, rendered)
        second = rendered[-1]  # how vLLM names the clip's media once it has them
        inputs = [rendered[0], *({**second, "prompt_token_ids": prefix + segment} for segment in segments[1:])]
        return self._clip_prompts(questions, inputs, wordings, only_letters)

    def prompts_without_media(
        self, clip: Clip, questions: list[Question], wordings: list[Wording], *, only_letters: bool
    ) -> ClipRequests:
        """The same prompts with their media taken out. Raises CannotAsk as `prompts`."""
        prefix = self.prompter.prefix_without_media(clip).input_ids.tolist()
        raw = [{"prompt_token_ids": prefix + self.prompter.segment(question).prompt_ids} for question in questions]
        return self._clip_prompts(questions, [self._rendered(prompt) for prompt in raw], wordings, only_letters)

    def add(self, prompts: ClipRequests, name: str) -> list[str]:
        """Hand a clip's questions to the engine, all or none. Returns the names of its requests. Raises CannotAsk when one
        is too long."""
        engine, names, internal = self.llm.llm_engine, [], []
        for number, (inputs, sampling) in enumerate(zip(prompts.inputs, prompts.sampling, strict=True)):
            names.append(f"{name}.{number}")
            try:
                internal.append(engine.add_request(names[-1], inputs, sampling, lora_request=self.adapter))
            except (ValueError, VLLMValidationError) as error:  # vLLM checks a prompt's length before anything else
                engine.abort_request(internal, internal=True)
                raise CannotAsk(str(error).splitlines()[0]) from error
        return names

    def step(self) -> dict[str, Any]:
        """Wait until the engine has said something: {request: its output}, of those that are at their end."""
        engine = self.llm.llm_engine
        if not engine.has_unfinished_requests():  # a step would wait for ever
            raise RuntimeError("vLLM has forgotten a question that it was asked: evaluate once more")
        outputs: list[Any] = engine.step()
        return {output.request_id: output for output in outputs if output.finished}

    def replies(self, prompts: ClipRequests, outputs: Sequence[Any]) -> Replies:
        """Of a clip whose requests all have ended."""
        replies = {}
        for question, letters, output in zip(prompts.questions, prompts.letters, outputs, strict=True):
            self.cache_use.prompt_tokens += len(output.prompt_token_ids)
            self.cache_use.cached_tokens += output.num_cached_tokens or 0
            completion = output.outputs[0]
            check_ended(question.id, completion.finish_reason)
            tokens = [token for token in completion.token_ids if token not in self.stop_tokens]
            logits = [completion.logprobs[0][token].logprob for token in letters]
            words = self.prompter.processor.tokenizer.decode(tokens).strip()
            replies[question.id] = Reply(words, letter_probabilities(list(question.options), logits))
        return replies

    def _clip_prompts(
        self, questions: list[Question], inputs: list[Any], wordings: list[Wording], only_letters: bool
    ) -> ClipRequests:
        tokenizer = self.prompter.processor.tokenizer
        letters = [letter_tokens(tokenizer, question.options) for question in questions]
        pairs = zip(letters, wordings, strict=True)
        return ClipRequests(questions, inputs, [self._sampling(ids, one, only_letters) for ids, one in pairs], letters)

    def _rendered(self, prompt: dict[str, Any]) -> Any:
        """A prompt through vLLM's processor."""
        try:
            (rendered,) = self.llm.llm_engine.renderer.render_cmpl([prompt])
        except (ValueError, VLLMValidationError) as error:
            raise CannotAsk(str(error).splitlines()[0]) from error
        return rendered

    def _raw_prompt(self, clip: ClipFrames, names: list[str], question: Question) -> dict[str, Any]:
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
            output_kind=RequestOutputKind.FINAL_ONLY,
            **limit,
        )

    def _check_tokens(self, clip: ClipFrames, questions: list[Question], rendered: list[Any]) -> None:
        prefix = self.prompter.prefix(clip).input_ids.tolist()
        for question, prompt in zip(questions, rendered, strict=True):
            if list(prompt["prompt_token_ids"]) != prefix + self.prompter.segment(question).prompt_ids:
                raise _other_tokens(question)


def _without_end(ids: list[int], end: list[int], question: Question) -> list[int]:
    """What stands before a question. Raises ValueError when the question's tokens aren't at the end."""
    ids = list(ids)
    if ids[-len(end) :] != end:
        raise _other_tokens(question)
    return ids[: -len(end)]


def _other_tokens(question: Question) -> ValueError:
    return ValueError(
        f"{question.id}: vLLM makes other prompt tokens than training: transformers differ (versions in envs/vllm.yaml)"
    )


def _vllm_medium(medium: MediumFrames) -> Any:
    """A medium as vLLM takes it: a video's frames with their metadata, a picture as Pillow's."""
    if medium.kind == "video":
        return medium.frames.numpy(), medium.metadata | {"do_sample_frames": False}
    from PIL import Image

    return Image.fromarray(medium.frames[0].permute(1, 2, 0).numpy())
