"""Wheels and further archives -> as few pieces as can be carried: one tree of packages, without what one Hopper GPU never loads.

    PYTHONPATH=scripts python scripts/dev/gpu/vllm_pieces.py FOLDER --piece-mib 44       # FOLDER/{wheels/*.whl,*.tar.xz} -> FOLDER/p1 ..

Archives are laid end to end and cut where a piece is full. An archive is unpacked where it arrives as soon as its last part
(`.00-of-02`) is there, while the next piece is on its way. Prints names that a wheel requires and that are neither in a wheel nor in
--image (a file with the names of the machine's packages, one a line or with commas).
"""

import argparse
import email
import fnmatch
import io
import lzma
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

from packaging.requirements import Requirement

from roadtrain import cli

# FlashAttention 3 is used on Hopper; the rest is of other GPUs and models, or for building.
UNUSED = (
    "vllm/vllm_flash_attn/_vllm_fa2_C.abi3.so",
    "vllm/vllm-rs",
    "vllm/third_party/deep_gemm/*",
    "vllm/third_party/fmha_sm100/*",
    "vllm/third_party/flashmla/*",
    "vllm/_flashmla*.so",
    "vllm/_qutlass_C.abi3.so",
    "pycountry/locales/*",
    "*.h",
    "*.hpp",
    "*.cuh",
    "*.dist-info/licenses/*",
    "av/*.pxd",
)
# Vendored libraries of PyAV and decord are needed as they are. A piece is cut by what its files take when packed in this way.
FILTERS = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 26}]
ENVIRONMENT = {
    "python_version": "3.12",
    "python_full_version": "3.12.3",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "os_name": "posix",
    "extra": "",
}
NOT_CARRIED = {  # see vllm_wheels.txt
    *(
        "flashinfer-python",
        "tilelang",
        "nvidia-cutlass-dsl",
        "nvidia-cudnn-frontend",
        "quack-kernels",
        "tokenspeed-mla",
    ),
    *("humming-kernels", "pynvvideocodec", "nvtx", "opentelemetry-exporter-otlp"),
}


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--piece-mib", type=int, default=44, help="of a piece (%(default)s)")
    parser.add_argument("--image", type=Path, help="names of the packages that the machine has")
    args = parser.parse_args()
    wheels = sorted((args.folder / "wheels").glob("*.whl"))
    if args.image:
        for name, by in missing(wheels, args.image.read_text()).items():
            print(f"{name}: {', '.join(by)} want it, and nobody has it", flush=True)
    for old in args.folder.glob("p[0-9]*"):
        shutil.rmtree(old)
    with ProcessPoolExecutor(2) as pool:
        archives = list(pool.map(pack, groups(wheels)))
    archives += [(file.name, file.read_bytes()) for file in sorted(args.folder.glob("*.tar.xz"))]
    for number, parts in enumerate(pieces(archives, args.piece_mib << 20), start=1):
        folder = args.folder / f"p{number}"
        folder.mkdir()
        for name, data in parts:
            (folder / name).write_bytes(data)
        print(folder, *(f"{name} {len(data) / 2**20:.1f} MiB" for name, data in parts), flush=True)


def normal(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def missing(wheels: list[Path], image: str) -> dict[str, list[str]]:
    """{name: who requires it} of what neither wheels nor the machine have."""
    there = {normal(name) for name in re.split(r"[\s,]+", image) if name} | NOT_CARRIED
    wanted: dict[str, list[str]] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as files:
            name = next(name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = email.message_from_bytes(files.read(name))
        there.add(normal(metadata["Name"]))
        for line in metadata.get_all("Requires-Dist") or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(ENVIRONMENT):
                wanted.setdefault(normal(requirement.name), []).append(metadata["Name"])
    return {name: by for name, by in wanted.items() if name not in there}


def groups(wheels: list[Path]) -> Iterator[tuple[str, list[tuple[Path, str]]]]:
    """(name of an archive, its files as (wheel, member)): a file of more than 20 MB alone, the rest of vLLM, everything else."""
    large: list[tuple[Path, str]] = []
    vllm: list[tuple[Path, str]] = []
    others: list[tuple[Path, str]] = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as files:
            for item in files.infolist():
                if item.is_dir() or any(fnmatch.fnmatch(item.filename, pattern) for pattern in UNUSED):
                    continue
                place = (wheel, item.filename)
                (large if item.file_size > 20e6 else vllm if wheel.name.startswith("vllm-") else others).append(place)
    for place in large:
        yield re.sub(r"\W+", "_", Path(place[1]).name), [place]
    yield "vllm", vllm
    yield "others", others


def pack(group: tuple[str, list[tuple[Path, str]]]) -> tuple[str, bytes]:
    """(name of the archive, the archive)."""
    name, places = group
    content = io.BytesIO()
    with (
        lzma.open(content, "wb", format=lzma.FORMAT_XZ, filters=FILTERS) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        for wheel, member in places:
            with zipfile.ZipFile(wheel) as files:
                data = files.read(member)
            # A wheel's `<name>.data/purelib/..` lies in the packages' folder itself.
            item = tarfile.TarInfo(re.sub(r"^[^/]+\.data/(purelib|platlib)/", "", member))
            item.size, item.mode = len(data), 0o755 if member.endswith(".so") else 0o644
            tar.addfile(item, io.BytesIO(data))
    return f"{name}.tar.xz", content.getvalue()


def pieces(archives: list[tuple[str, bytes]], most: int) -> list[list[tuple[str, bytes]]]:
    """Archives end to end, cut into pieces of `most` bytes. A cut archive's parts are named .NN-of-NN; `cat` joins them again."""
    found: list[list[tuple[str, bytes]]] = [[]]
    free = most
    for name, data in archives:
        first = min(free, len(data))
        bounds = [0, *range(first, len(data), most), len(data)]
        for n, (start, end) in enumerate(pairwise(bounds)):
            if not free:
                found.append([])
                free = most
            found[-1].append((f"{name}.{n:02}-of-{len(bounds) - 1:02}", data[start:end]))
            free -= end - start
    return found


if __name__ == "__main__":
    main()
