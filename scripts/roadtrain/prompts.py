"""One conversation -> tokens, for training and evaluation alike, so that their prompts cannot differ.

A clip's prefix (system prompt, video) and a question's segment (its text, the opening of the answer) are tokenized
apart, at the <|vision_end|> that closes the video: a special token, so the ids are those of the whole text.
"""

from dataclasses import dataclass
from typing import Any

from roadtrain.frames import Clip
from roadtrain.llava import Entry

VIDEO_START, VIDEO_END = "<|vision_start|>", "<|video_pad|><|vision_end|>"
ANSWER_END = "<|im_end|>"


@dataclass(frozen=True)
class Prefix:
    """A clip as the model reads it."""

    input_ids: Any  # int64 [prefix tokens]
    pixels: Any  # float32 [patches, 1536]: the processor's pixel_values_videos
    grid: tuple[int, int, int]  # patches: (frame pairs, rows, columns)


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

    def _text(self, prompt: str, history: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
        """The conversation up to the open answer, split after the video. `history`: turns before the prompt."""
        first, *later = [asked for asked, _ in history] + [prompt]
        video = [{"type": "video"}, {"type": "text", "text": first}]
        messages = [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": video}]
        for (_, answer), asked in zip(history, later):
            messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": asked}]
        text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        before, found, after = text.partition(VIDEO_END)
        if not found:
            raise ValueError(f"the model's chat template doesn't write {VIDEO_END} for a video: not a Qwen3-VL template")
        return before + found, after

    def text(self, entry: Entry) -> str:
        """The whole prompt, for an engine that tokenizes itself."""
        return "".join(self._text(entry.prompt, entry.history))

    def prefix(self, clip: Clip) -> Prefix:
        """System prompt and video. Frames are used as they are: the cache has resized them."""
        import torch

        text = self._text("")[0]
        if _swallows_outer_pair():
            text = text.replace(VIDEO_START + VIDEO_END, f"{VIDEO_START * 2}{VIDEO_END}<|vision_end|>")
        batch = self.processor(
            text=[text],
            videos=[clip.frames],
            video_metadata=[clip.metadata],
            do_sample_frames=False,
            do_resize=False,
            return_tensors="pt",
        )
        grid = tuple(batch["video_grid_thw"][0].tolist())
        return Prefix(batch["input_ids"][0], batch["pixel_values_videos"].to(torch.float32), grid)

    def segment(self, entry: Entry) -> Segment:
        key = (entry.prompt, entry.answer, entry.history)
        if key not in self._segments:
            encode = lambda text: self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
            self._segments[key] = Segment(encode(self._text(entry.prompt, entry.history)[1]), encode(entry.answer + ANSWER_END))
        return self._segments[key]


def _swallows_outer_pair() -> bool:
    """transformers 4.57, which cosmos-rl needs, puts the frames in the place of <|vision_start|><|video_pad|><|vision_end|>;
    transformers 5, which evaluates, in the place of <|video_pad|> alone. A second pair makes both write the same tokens."""
    import transformers

    return int(transformers.__version__.split(".")[0]) < 5
