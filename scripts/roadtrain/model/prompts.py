"""One conversation -> tokens, for training and evaluation alike, so that their prompts cannot differ.

A clip's prefix (system prompt, video) and a question's segment (its text, the opening of the answer) are tokenized
apart, at the <|vision_end|> that closes the last medium: a special token, so the ids are those of the whole text.
What people wrote is text in it, whatever it looks like (roadtrain.model.plain_text).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from roadtrain.data.answer_reasoning import OPENING
from roadtrain.data.question import Question, Turn
from roadtrain.frames.index import ClipFrames, FramesRow, MediumFrames
from roadtrain.media import Clip, Medium, Words
from roadtrain.model.plain_text import PlainText

VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
MEDIUM = re.compile(r"<\|vision_start\|><\|(?:video|image)_pad\|><\|vision_end\|>")  # as a template writes one
ANSWER_END = "<|im_end|>"
PATCHES, PATCH = 4, 1536  # of a vision token; numbers of a patch
ONE_VIDEO = Clip((Medium(""),))  # where only what follows the medium is of interest


@dataclass(frozen=True)
class Prefix:
    """A clip as the model reads it."""

    input_ids: Any  # int64 [prefix tokens]
    pixels: Any  # float32 [patches, 1536]: the processor's pixel_values_videos; no rows without a video
    grid: Any  # int64 [videos, 3]: (frame pairs, rows, columns) in patches
    image_pixels: Any  # float32 [patches, 1536]: its pixel_values; no rows without a picture
    image_grid: Any  # int64 [pictures, 3]
    image_token: int  # id of the tokens that stand for a picture
    # In the place of pixels: a frozen tower's outputs, a tensor a level (model/features.py).
    features: tuple[Any, ...] = ()  # of the videos
    image_features: tuple[Any, ...] = ()

    def pinned(self, dtype: Any) -> "Prefix":
        """Pixels in `dtype` and page-locked memory: a copy to a GPU needn't wait for the GPU then."""
        pixels = {name: getattr(self, name).to(dtype) for name in ("pixels", "image_pixels")}
        pinned: dict[str, Any] = {name: part.pin_memory() if len(part) else part for name, part in pixels.items()}
        for name in ("features", "image_features"):
            pinned[name] = tuple(level.pin_memory() for level in getattr(self, name))
        return replace(self, **pinned)

    def on(self, device: Any) -> "Prefix":
        """What the vision tower reads, on a device. Out of page-locked memory: it is not waited for."""
        moved: dict[str, Any] = {
            name: getattr(self, name).to(device, non_blocking=True) for name in ("pixels", "image_pixels")
        }
        for name in ("features", "image_features"):
            moved[name] = tuple(level.to(device, non_blocking=True) for level in getattr(self, name))
        return replace(self, **moved)


@dataclass(frozen=True)
class Segment:
    """A question and its answer."""

    prompt_ids: list[int]  # question and the opening of the answer
    answer_ids: list[int]  # the answer and <|im_end|>


def pixel_bytes(rows: Iterable[FramesRow]) -> int:
    """What the pixels of a clip's media take as the processor makes them, in float32. `rows`: the media's lines of an index."""
    return media_tokens(rows) * PATCHES * PATCH * 4


def media_tokens(rows: Iterable[FramesRow]) -> int:
    """Of a clip's media together."""
    return sum(row["vision_tokens"] for row in rows)


class Prompter:
    """Tokenizes with a model's own processor and chat template."""

    def __init__(self, processor: Any, system_prompt: str) -> None:
        self.processor, self.system_prompt = processor, system_prompt
        self._plain = PlainText(processor.tokenizer.backend_tokenizer)
        self._segments: dict[tuple[str, str, str, tuple[Turn, ...]], Segment] = {}

    @property
    def stop_tokens(self) -> set[int]:
        """Ids of the tokens that end an answer."""
        tokenizer = self.processor.tokenizer
        return {tokenizer.convert_tokens_to_ids(ANSWER_END), tokenizer.eos_token_id}

    def whole_prompt(self, question: Question) -> list[int]:
        """Token ids of the whole prompt with three for a medium (start, pad, end), for an engine that puts the media in
        itself."""
        return self._plain.encode("".join(self._split_text(question.clip.parts, question.prompt, question.history)))

    def prefix(self, clip: ClipFrames) -> Prefix:
        """System prompt and media. Frames are used as they are: the cache has resized them."""
        import torch

        videos, images = ([medium for medium in clip.media if medium.kind == kind] for kind in ("video", "image"))
        inputs: dict[str, Any] = {}
        if videos:
            inputs["videos"] = [video.frames for video in videos]
            inputs["video_metadata"] = [video.metadata for video in videos]
            inputs["do_sample_frames"] = False
        if images:
            inputs["images"] = [image.frames[0] for image in images]
        text = self._split_text(clip.parts, "")[0]
        # The processor sees the media alone, with a token between them that is in none.
        batch = self.processor(text=[ANSWER_END.join(_media(text))], do_resize=False, return_tensors="pt", **inputs)
        ids_of_media = _split_ids(batch["input_ids"][0].tolist(), self._plain.control[ANSWER_END])
        ids: list[int] = []
        for words, medium in zip(MEDIUM.split(text), [*ids_of_media, []], strict=True):
            ids += self._plain.encode(words) + medium

        def pixels(key: str) -> Any:
            return batch[key].to(torch.float32) if key in batch else torch.zeros(0, 1536)

        def grid(key: str) -> Any:
            return batch.get(key, torch.zeros(0, 3, dtype=torch.long))

        return Prefix(
            input_ids=torch.tensor(ids),
            pixels=pixels("pixel_values_videos"),
            grid=grid("video_grid_thw"),
            image_pixels=pixels("pixel_values"),
            image_grid=grid("image_grid_thw"),
            image_token=self.processor.image_token_id,
        )

    def prefix_without_media(self, clip: Clip) -> Prefix:
        """The same prompt with its media taken out: what is left to a model that sees nothing."""
        import torch

        text = MEDIUM.sub("", self._split_text(clip.parts, "")[0])
        pixels, grid = torch.zeros(0, 1536), torch.zeros(0, 3, dtype=torch.long)
        ids = torch.tensor(self._plain.encode(text))
        return Prefix(ids, pixels, grid, pixels, grid, self.processor.image_token_id)

    def segment(self, question: Question) -> Segment:
        """The tokens of a question and its answer. Questions that say the same share one object. Raises ValueError for
        reasoning that the chat template has no room for."""
        key = (question.prompt, question.answer, question.reasoning, question.history)
        if key not in self._segments:
            _, prompt = self._split_text(ONE_VIDEO.parts, question.prompt, question.history)
            if question.reasoning and prompt.rstrip().endswith("</think>"):
                raise ValueError("the model's chat template ends the reasoning before an answer: data.reasoning: drop")
            opened = prompt.rstrip().endswith(OPENING)
            answer = self._plain.escape(question.trained_answer(opened)) + ANSWER_END
            self._segments[key] = Segment(self._plain.encode(prompt), self._plain.encode(answer))
        return self._segments[key]

    def answer_tokens(self, question: Question) -> int:
        """Of the answer itself, without reasoning and its end."""
        return len(self._plain.encode(self._plain.escape(question.answer)))

    def _split_text(
        self, parts: tuple[Medium | MediumFrames | Words, ...], prompt: str, history: tuple[Turn, ...] = ()
    ) -> tuple[str, str]:
        """The conversation up to the open answer, split after its last medium. `parts` stand before the split,
        `history`: turns between it and the prompt."""
        messages = self._messages(parts, prompt, history)
        text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ends = [match.end() for match in MEDIUM.finditer(text)]
        media = sum(not isinstance(part, Words) for part in parts)
        if len(ends) != media:
            raise ValueError(
                "the model's chat template doesn't write <|video_pad|><|vision_end|> for a video: not a Qwen3-VL template"
            )
        return text[: ends[media - 1]], text[ends[media - 1] :]

    def _messages(
        self, parts: tuple[Medium | MediumFrames | Words, ...], prompt: str, history: tuple[Turn, ...]
    ) -> list[dict[str, Any]]:
        """As the chat template takes them, all texts escaped: system, user, assistant, .., the last one a user's."""
        escape = self._plain.escape
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": escape(self.system_prompt)},
            {"role": "user", "content": []},
        ]
        for part in parts:
            if not isinstance(part, Words):
                messages[-1]["content"].append({"type": part.kind})
            elif part.speaker == "model":
                messages += [{"role": "assistant", "content": escape(part.text)}, {"role": "user", "content": []}]
            else:
                messages[-1]["content"].append({"type": "text", "text": escape(part.text)})
        first, *later = [escape(turn.prompt) for turn in history] + [escape(prompt)]
        messages[-1]["content"].append({"type": "text", "text": first})
        for turn, next_prompt in zip(history, later, strict=True):
            messages += [
                {"role": "assistant", "content": escape(turn.answer)},
                {"role": "user", "content": next_prompt},
            ]
        return messages


def _media(text: str) -> list[str]:
    """The media of a template's output, as the processor takes them."""
    media = MEDIUM.findall(text)
    if _swallows_outer_pair():
        media = [f"<|vision_start|>{medium}<|vision_end|>" if medium == VIDEO else medium for medium in media]
    return media


def _split_ids(ids: list[int], separator: int) -> list[list[int]]:
    parts: list[list[int]] = [[]]
    for token in ids:
        if token == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _swallows_outer_pair() -> bool:
    """transformers 4.57, which cosmos-rl needs, puts the frames in the place of <|vision_start|><|video_pad|><|vision_end|>;
    transformers 5, which evaluates, in the place of <|video_pad|> alone. A second pair makes both write the same tokens."""
    import transformers

    return int(transformers.__version__.split(".")[0]) < 5
