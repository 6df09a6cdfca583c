"""How results are said everywhere: percent, points, intervals, and the names of checkpoints and settings."""

from collections.abc import Mapping, Sequence

from roadtrain.evaluate import statistics
from roadtrain.paths import MAJORITY, TEXT_ONLY

DECIMALS = 2  # of percent and of percentage points
TOKEN_DECIMALS = 1  # of the mean number of vision tokens
CONFIDENCE = f"{statistics.LEVEL:.0%}"
ALPHA = 1 - statistics.LEVEL  # p values below it are significant
BASELINE_WORDS = {MAJORITY: "majority answer", TEXT_ONLY: "best epoch without media"}
SMALLEST_P = 0.0001  # smaller ones are said to be below it


def digits(share: float, least: int = DECIMALS) -> int:
    """How many digits after the point of a percentage: more than `least` where it would read as nothing or as all, and
    is neither (2,999 of 3,000 at one digit: 99.97, not 100.0)."""
    value, count = abs(share * 100), least
    if value < 1e-9:  # nothing, or what float64 made of it
        return least
    while count < 6 and (float(f"{value:.{count}f}") == 0 or value < 100 == float(f"{value:.{count}f}")):
        count += 1
    return count


def percent(share: float, decimals: int = DECIMALS) -> str:
    """0.93881 -> 93.88%"""
    return f"{share * 100:.{digits(share, decimals)}f}%"


def points(difference: float, signed: bool = False) -> str:
    """A difference of two shares in percentage points, without the word: 0.0123 -> 1.23"""
    return f"{difference * 100:{'+' if signed else ''}.{digits(difference)}f}"


def tokens_a_video(tokens: Sequence[int]) -> str:
    """Their mean, as every table, caption and sentence says it: 2,880.0"""
    return f"{sum(tokens) / len(tokens):,.{TOKEN_DECIMALS}f}"


def percent_range(interval: Sequence[float]) -> str:
    """[0.9253, 0.9525] -> 92.53% to 95.25%"""
    low, high = interval
    return f"{percent(low)} to {percent(high)}"


def interval_in_percent(interval: Sequence[float]) -> str:
    """[0.9253, 0.9525] -> 95% interval 92.53% to 95.25%"""
    return f"{CONFIDENCE} interval {percent_range(interval)}"


def p_value(value: float) -> str:
    """Four digits, or that it is smaller."""
    return f"< {SMALLEST_P}" if value < SMALLEST_P else f"{value:.4f}"


def most_frequent(counts: Mapping[str, int]) -> str | None:
    """The most frequent, and how many others there are: 384x224 (+2 others). None when there is nothing."""
    if not counts:
        return None
    name = min(counts, key=lambda key: (-counts[key], key))
    return name if len(counts) == 1 else f"{name} (+{len(counts) - 1} others)"


def clock(seconds: float) -> str:
    """75 -> 1:15, 3675 -> 1:01:15"""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def duration(seconds: float) -> str:
    """90 -> 90 s, 600 -> 10 min, 9000 -> 2.5 h"""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def describe_vision(vision: Mapping[str, float]) -> str:
    """A setting in the recipe's words: `nframes 8`, `fps 1, total_pixels 8,388,608`."""
    whole = {key: int(value) if value == int(value) else value for key, value in vision.items()}
    return ", ".join(f"{key} {value:,}" for key, value in whole.items())


def describe_checkpoint(checkpoint: str) -> str:
    """zero_shot -> zero-shot, epoch_2 -> epoch 2, fp8_dynamic -> FP8 dynamic, majority -> majority answer."""
    if checkpoint in BASELINE_WORDS:
        return BASELINE_WORDS[checkpoint]
    if checkpoint.startswith("epoch_"):
        return checkpoint.replace("_", " ")
    words = checkpoint.replace("_", "-" if checkpoint == "zero_shot" else " ")
    return words.replace("nvfp", "NVFP").replace("fp8", "FP8")
