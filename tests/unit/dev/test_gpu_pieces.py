"""What is carried to a GPU machine in pieces arrives whole, whatever was cut where, and a piece that is missing is named."""

import io
import random
import shutil
import subprocess
import tarfile

import pytest

from dev.gpu.vllm_pieces import pieces
from support.programs import ROOT

SIZES = {"large": 2500, "small": 40, "exact": 900, "sample": 1300}


def archive(name, size):
    """A .tar.xz that does not get smaller."""
    stream, data = io.BytesIO(), random.Random(size).randbytes(size)
    with tarfile.open(fileobj=stream, mode="w:xz") as tar:
        item = tarfile.TarInfo(f"{name}/content")
        item.size = size
        tar.addfile(item, io.BytesIO(data))
    return f"{name}.tar.xz", stream.getvalue()


@pytest.fixture
def machine(tmp_path):
    """(the script in a project, the folder that packages go to, how to call it)."""
    script = tmp_path / "project/scripts/dev/gpu/run_vllm.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(ROOT / "scripts/dev/gpu/run_vllm.sh", script)

    def call(*words):
        return subprocess.run(
            ["bash", script, *words],
            capture_output=True,
            text=True,
            env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        )

    return script.parents[3], tmp_path / "roadtrain-vllm/packages", call


def carried(tmp_path, most):
    archives = [archive(name, size) for name, size in SIZES.items()]
    folders = []
    for number, parts in enumerate(pieces(archives, most), start=1):
        assert sum(len(data) for _, data in parts) <= most
        folders.append(tmp_path / f"p{number}")
        folders[-1].mkdir()
        for name, data in parts:
            (folders[-1] / name).write_bytes(data)
    assert len(folders) == -(-sum(len(data) for _, data in archives) // most)  # not one more than needed
    return folders


@pytest.mark.parametrize("most", [700, 1000, 3000, 10_000])
def test_pieces_arrive_whole(tmp_path, machine, most):
    project, packages, call = machine
    for folder in carried(tmp_path, most):
        result = call("unpack", folder)
        assert result.returncode == 0, result.stderr
    assert "parts that wait for others: 0" in result.stdout
    for name, size in SIZES.items():
        place = project if name == "sample" else packages
        assert (place / name / "content").read_bytes() == random.Random(size).randbytes(size)


def test_a_piece_that_is_missing_is_named_before_anything_starts(tmp_path, machine):
    _, _, call = machine
    folders = carried(tmp_path, 1000)
    for folder in folders[1:]:
        assert call("unpack", folder).returncode == 0
    result = call("run", tmp_path / "out")
    assert result.returncode == 1 and "large.tar.xz.01-of-" in result.stderr and "unpack every piece" in result.stderr
    assert call("unpack", folders[0]).stdout.endswith("parts that wait for others: 0\n")


def test_a_damaged_archive_ends_it(tmp_path, machine):
    _, _, call = machine
    (folder,) = carried(tmp_path, 10_000)
    file = folder / "large.tar.xz.00-of-01"
    file.write_bytes(file.read_bytes()[:900] + b"....." + file.read_bytes()[905:])
    assert call("unpack", folder).returncode != 0
