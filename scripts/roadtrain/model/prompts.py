"""One conversation -> tokens, for training and evaluation alike, so that their prompts cannot differ.

A clip's prefix (system prompt, video) and a question's segment (its text, the opening of the answer) are tokenized
apart, at the <|vision_end|> that closes the last medium: a special token, so the ids are those of the whole text.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from roadtrain.data.llava import Entry, Said, parts_of
from roadtrain.frames.index import Clip, Several

VIDEO_START, VIDEO_END = "<|vision_start|>", "<|video_pad|><|vision_end|>"
MEDIUM_END = re.compile(r"<\|(?:video|image)_pad\|><\|vision_end\|>")
ONE_VIDEO = ("video",)
ANSWER_END = "<|im_end|>"


@dataclass(frozen=True)
class Prefix:
    """A clip as the model reads it."""

    input_ids: Any  # int64 [prefix tokens]
    pixels: Any  # float32 [patches, 1536]: the processor's pixel_values_videos; no rows without a video
    grid: Any  # int64 [videos, 3]: (frame pairs, rows, columns) in patches
    image_pixels: Any  # float32 [patches, 1536]: its pixel_values; no rows without a picture
    image_grid: Any  # int64 [pictures, 3]
    image_token: int  # id of the tokens that stand for a picture

    def pinned(self, dtype: Any) -> "Prefix":
        """Pixels in `dtype` and page-locked memory: a copy to a GPU needn't wait for the GPU then."""
        pixels = {name: getattr(self, name).to(dtype) for name in ("pixels", "image_pixels")}
        return replace(self, **{name: part.pin_memory() if len(part) else part for name, part in pixels.items()})


@dataclass(frozen=True)
class Segment:
    """A question and its answer."""

    prompt_ids: list[int]  # question and the opening of the answer
    answer_ids: list[int]  # the answer and <|im_end|>


class Prompter:
    """Tokenizes with a model's own processor and chat template."""

    def __init__(self, processor: Any, system_prompt: str):
        self.processor, self.system_prompt = processor, system_prompt
        self._segments: dict[tuple, Segment] = {}

    def _text(self, parts: tuple, prompt: str, history: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
        """The conversation up to the open answer, split after its last medium. `parts` stand before the split: kinds
        of media, words and earlier answers; `history`: turns between it and the prompt."""
        messages: list[dict] = [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": []}]
        for part in parts:
            if isinstance(part, Said):
                messages += [{"role": "assistant", "content": part.text}, {"role": "user", "content": []}]
            else:
                content = {"type": part} if part in ("video", "image") else {"type": "text", "text": part[1]}
                messages[-1]["content"].append(content)
        first, *later = [asked for asked, _ in history] + [prompt]
        messages[-1]["content"].append({"type": "text", "text": first})
        for (_, answer), asked in zip(history, later):
            messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": asked}]
        text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ends = [found.end() for found in MEDIUM_END.finditer(text)]
        media = sum(part in ("video", "image") for part in parts)
        if len(ends) < media:
            raise ValueError(
                "the model's chat template doesn't write <|video_pad|><|vision_end|> for a video: not a Qwen3-VL template"
            )
        return text[: ends[media - 1]], text[ends[media - 1] :]

    def text(self, entry: Entry) -> str:
        """The whole prompt, for an engine that tokenizes itself."""
        return "".join(self._text(tuple(map(_shape, parts_of(entry.clip))), entry.prompt, entry.history))

    def prefix(self, clip: Clip | Several) -> Prefix:
        """System prompt and media. Frames are used as they are: the cache has resized them."""
        import torch

        parts = clip.parts if isinstance(clip, Several) else (clip,)
        media = [part for part in parts if isinstance(part, Clip)]
        videos, images = ([one for one in media if one.kind == kind] for kind in ("video", "image"))
        how: dict[str, Any] = {}
        if videos:
            how |= {
                "videos": [one.frames for one in videos],
                "video_metadata": [one.metadata for one in videos],
                "do_sample_frames": False,
            }
        if images:
            how["images"] = [one.frames[0] for one in images]
        text = self._text(tuple(map(_shape, parts)), "")[0]
        if _swallows_outer_pair():
            text = text.replace(VIDEO_START + VIDEO_END, f"{VIDEO_START * 2}{VIDEO_END}<|vision_end|>")
        batch = self.processor(text=[text], do_resize=False, return_tensors="pt", **how)
        pixels = lambda key: batch[key].to(torch.float32) if key in batch else torch.zeros(0, 1536)
        grid = lambda key: batch.get(key, torch.zeros(0, 3, dtype=torch.long))
        return Prefix(
            batch["input_ids"][0],
            pixels("pixel_values_videos"),
            grid("video_grid_thw"),
            pixels("pixel_values"),
            grid("image_grid_thw"),
            self.processor.image_token_id,
        )

    def segment(self, entry: Entry) -> Segment:
        key = (entry.prompt, entry.answer, entry.history)
        if key not in self._segments:
            encode = lambda text: self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
            self._segments[key] = Segment(
                encode(self._text(ONE_VIDEO, entry.prompt, entry.history)[1]), encode(entry.answer + ANSWER_END)
            )
        return self._segments[key]


def _swallows_outer_pair() -> bool:
    """transformers 4.57, which cosmos-rl needs, puts the frames in the place of <|vision_start|><|video_pad|><|vision_end|>;
    transformers 5, which evaluates, in the place of <|video_pad|> alone. A second pair makes both write the same tokens."""
    import transformers

    return int(transformers.__version__.split(".")[0]) < 5


def _shape(part: Any) -> Any:
    """A part as `_text` takes it: a medium is its kind, a human's words are ("human", words)."""
    if isinstance(part, Clip):
        return part.kind
    if isinstance(part, tuple):
        return "image" if len(part) > 3 else "video"
    return ("human", part) if isinstance(part, str) else part
