"""Pictures in the frame cache: a clip of one frame, as qwen-vl-utils hands a picture to the processor, bit for bit.

Of a vision setting only min_pixels and max_pixels are about pictures (qwen_vl_utils.fetch_image): settings that agree
in them share the picture.
"""

from pathlib import Path
from typing import IO, Any

from roadtrain.frames.clip_writer import write_picture
from roadtrain.frames.containers import PICTURE_FORMATS, picture_fault
from roadtrain.frames.sampling import Settings, picture_size, vision_tokens

KEYS = ("min_pixels", "max_pixels")


def picture_source(sha256: str, settings: Settings) -> dict[str, Any]:
    """Everything that decides a picture's bytes in the cache."""
    import PIL

    limits = {key: float(settings[key]) for key in KEYS if key in settings}
    return {"picture": sha256, "settings": limits, "software": {"pillow": PIL.__version__}}


def picture_bytes(path: Path, settings: Settings) -> int:
    """Of the resized pixels, by the file's header; 0 for a file that has none."""
    from PIL import Image

    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            height, width = picture_size(settings, image.height, image.width)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 0
    return 3 * height * width


def write_picture_clip(stream: IO[bytes], path: Path, settings: Settings, source: dict[str, Any]) -> None:
    """Read, resize and write a picture. Raises ValueError with the reason when it can't be had."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            if fault := picture_fault(image):
                raise ValueError(fault)
            image = _rgb(image)
    except UnidentifiedImageError:
        raise ValueError("unreadable: not a picture of a format that is read (docs/videos.md lists them)") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"unreadable: {error}") from None
    height, width = picture_size(settings, image.height, image.width)
    pixels = np.asarray(image.resize((width, height))).transpose(2, 0, 1)[None]  # Pillow's default: bicubic
    write_picture(stream, np.ascontiguousarray(pixels), vision_tokens(height, width), source)


def _rgb(image: Any) -> Any:
    """Transparency on white where the file is RGBA, and only there."""
    from PIL import Image

    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.split()[3])
    return white
