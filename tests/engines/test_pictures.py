"""The pixels of pictures are bit for bit those of qwen-vl-utils; a bad picture is left out with its reason."""

import numpy as np
import pytest

from roadtrain.frames.decoding import decode
from roadtrain.frames.index import FrameIndex
from roadtrain.frames.jobs import decoding_jobs, inspect_video
from roadtrain.frames.probe import Bad, probe
from roadtrain.media import Clip, Medium
from support.conversations import VISION, conversation, decode_entries, entry, picture

pytestmark = pytest.mark.usefixtures("torchvision")


def turned():
    """EXIF: shown a quarter turned by viewers; Pillow and qwen-vl-utils don't turn it."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


PICTURES = {
    "rgb.png": {},
    "photo.jpg": {"size": (640, 361)},
    "turned.jpg": {"size": (200, 120), "exif": turned},
    "clear.png": {"mode": "RGBA"},
    "grey.png": {"mode": "L", "size": (33, 150)},
    "palette.gif": {"mode": "P"},
    "print.jpg": {"mode": "CMYK"},
    "grey-clear.png": {"mode": "LA"},
    "bits.png": {"mode": "1"},
    "tiny.png": {"size": (5, 3)},
    "wide.webp": {"size": (700, 50), "lossless": True},
    "large.bmp": {"size": (1300, 1100)},
}
LIMITS = [{"nframes": 8}, {"fps": 1, "total_pixels": 8388608}, VISION, {"nframes": 8, "min_pixels": 300000}]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_bit_for_bit_what_qwen_vl_utils_gives(tmp_path, name):
    from qwen_vl_utils import process_vision_info

    options = {key: value() if callable(value) else value for key, value in PICTURES[name].items()}
    path = picture(tmp_path / name, **options)
    (job,) = decoding_jobs([Medium(name, kind="image")], str(tmp_path), tuple(LIMITS), str(tmp_path / "cache"))
    rows = [row for (row,) in decode(inspect_video(job))]
    assert len({row["file"] for row in rows}) == 3, "the first two settings say the same about pictures"
    for setting, row in zip(LIMITS, rows, strict=False):
        element = {"type": "image", "image": str(path)} | {
            k: v for k, v in setting.items() if k in ("min_pixels", "max_pixels")
        }
        (theirs,), _ = process_vision_info([{"role": "user", "content": [element]}], image_patch_size=16)
        value = {"vision": setting, "reader": "decord", "clips": [row], "left_out": []}
        ours = FrameIndex("index", value).read(Clip((Medium(name, kind="image"),))).media[0]
        assert np.array_equal(ours.frames[0].permute(1, 2, 0).numpy(), np.asarray(theirs))
        assert ours.vision_tokens == theirs.width * theirs.height // 1024 and ours.kind == "image"


def odd_picture(path, kind):
    """What Pillow would show otherwise than it is: greys of 16 bits as white, floats as black, the first of several."""
    from PIL import Image

    greys = np.linspace(0, 65535, 64 * 48).reshape(48, 64)
    if kind == "animated":
        first, *others = (Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue"))
        first.save(path, save_all=True, append_images=others)
    else:
        values = greys.astype(np.uint16) if kind == "thermal" else (greys / 65535).astype(np.float32)
        Image.fromarray(values).save(path, format="PNG" if kind == "thermal" else "TIFF")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        (b"", "unreadable: zero bytes"),
        (b"GIF89a nothing", "unreadable"),
        ((4, 900), "sides may differ"),
        ("thermal", "more than 8 bits"),
        ("float", "more than 8 bits"),
        ("animated", "3 pictures, of which one is seen"),
    ],
)
def test_a_bad_picture_is_left_out_with_its_reason(tmp_path, content, says):
    good = picture(tmp_path / "media/good.png")
    if isinstance(content, tuple):
        picture(tmp_path / "media/bad.png", size=content)
    elif isinstance(content, str):
        odd_picture(tmp_path / "media/bad.png", content)
    elif content is not None:
        (tmp_path / "media/bad.png").write_bytes(content)
    index = decode_entries(
        tmp_path,
        [
            entry(0, image=good.name, conversations=conversation("Q?", "A")),
            entry(1, image="bad.png", conversations=conversation("Q?", "A")),
        ],
    )
    assert len(index) == 1 and says in index.left_out[Medium("bad.png", kind="image")]
    assert says in index.reason(Clip((Medium("bad.png", kind="image"),)))
    audited = probe(str(tmp_path / "media/bad.png"), kind="image")  # the audit says the same
    assert isinstance(audited, Bad)
