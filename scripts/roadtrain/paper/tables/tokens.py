"""T2: vision tokens a video, by arithmetic and as measured in the frames that the model saw."""

from collections import Counter
from collections.abc import Sequence

from roadtrain.frames.sampling import sample
from roadtrain.paper.table import Cell, Column, Number, Table
from roadtrain.results.published import RECIPE, Published, PublishedSetting
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import TOKEN_DECIMALS, describe_vision, most_frequent, tokens_a_video
from roadtrain.spec.resolved import VisionSettings

COLUMNS = (
    Column("ablation", "ablation"),
    Column("setting", "setting"),
    Column("frames", "frames"),
    Column("frame_size", "frame size"),
    Column("tokens_min", "tokens: least"),
    Column("tokens_mean", "mean"),
    Column("tokens_max", "most"),
)
PUBLISHED = (  # of the recipe's video, where the data are the recipe's
    Column("arithmetic", "arithmetic"),
    Column("computed_tokens", "tokens"),
    Column("published_tokens", "published tokens"),
)
NOTES = (
    "Tokens are counted over all clips of training and validation. Two frames make one vision step and 32x32 pixels one token. The most frequent frame size"
    " is given."
)
# Of the published arithmetic's video: at 30 frames a second, 75 s give 74 frames at fps 1.
_VIDEO_FPS = 30


def tokens_table(results: Results) -> Table:
    """T2: vision tokens a video, by arithmetic and as measured in the frames that the model saw."""
    means = [f"{tokens_a_video(ablation.vision_tokens)} with {ablation.name}" for ablation in results.ablations]
    caption = f"Vision tokens a video: measured on the run's clips (mean: {', '.join(means)})"
    records = [_measured(ablation) for ablation in results.ablations]
    if (numbers := results.published) is None:
        return Table.from_records("t2_tokens", f"{caption}.", COLUMNS, records, NOTES)
    for record, ablation in zip(records, results.ablations, strict=True):
        record |= _computed(numbers, ablation.vision, ablation.published)
    for setting in results.published_only:
        computed = _computed(numbers, setting["vision"], setting)
        records.append({"ablation": RECIPE, "setting": setting["name"], **computed})
    video = numbers["video"]
    caption += (
        f", and by arithmetic for the recipe's video of {video['seconds']} s and {video['width']}x{video['height']} pixels,"
        " beside the published numbers."
    )
    return Table.from_records("t2_tokens", caption, (*COLUMNS, *PUBLISHED), records, NOTES)


def _measured(ablation: AblationResults) -> dict[str, Cell]:
    clips, tokens = ablation.clips, ablation.vision_tokens
    return {
        "ablation": ablation.name,
        "setting": describe_vision(ablation.vision),
        "frames": _span([clip["frames"] for clip in clips]),
        "frame_size": most_frequent(Counter(f"{clip['width']}x{clip['height']}" for clip in clips)),
        "tokens_min": Number(min(tokens)),
        "tokens_mean": Number(sum(tokens) / len(tokens), TOKEN_DECIMALS),
        "tokens_max": Number(max(tokens)),
    }


def _computed(numbers: Published, vision: VisionSettings, setting: PublishedSetting | None) -> dict[str, Cell]:
    """For the recipe's video: the sum in words, its tokens, and the published number of the same setting."""
    video = numbers["video"]
    # The recipe samples 74 of 75 s ("rounded to the nearest even number"): qwen-vl-utils rounds down to an even count.
    frames = sample(
        vision,
        total_frames=video["seconds"] * _VIDEO_FPS,
        fps=_VIDEO_FPS,
        height=video["height"],
        width=video["width"],
    )
    return {
        "arithmetic": f"{len(frames.indices)}/2 × {frames.width}x{frames.height}/1024",
        "computed_tokens": Number(frames.vision_tokens),
        "published_tokens": Number(setting["vision_tokens"]) if setting else None,
    }


def _span(values: Sequence[int]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)}-{max(values)}"
