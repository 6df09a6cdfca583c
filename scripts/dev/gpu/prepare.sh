#!/usr/bin/env bash
# Put everything that scripts/dev/gpu/run.sh needs into one folder: wheels, Debian's redis, the sample's questions and frames.
#   scripts/dev/gpu/prepare.sh FOLDER [PYTHON]      where there is a network; no GPU needed; PYTHON has Roadtrain's environment
set -euo pipefail
folder=$(realpath -m "${1:?a folder}")
python=$(realpath -s "${2:-.venv/bin/python}")
cd "$(dirname "$0")/../../.."
mkdir -p "$folder/wheels" "$folder/debs"
platforms=()
for libc in 17 24 27 28 31 34 35; do platforms+=(--platform "manylinux_2_${libc}_x86_64"); done
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp "${platforms[@]}" \
    --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --dest "$folder/wheels" --requirement scripts/dev/gpu/wheels.txt
# 14 MiB less to carry: what botocore knows of each of AWS's services. cosmos-rl imports it; nothing is uploaded.
"$python" - "$folder"/wheels/botocore-*.whl <<'PYTHON'
import os, sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as old, zipfile.ZipFile(sys.argv[1] + ".part", "w", zipfile.ZIP_DEFLATED) as new:
    for item in old.infolist():
        if not item.filename.startswith("botocore/data/") or item.filename.count("/") == 2:
            new.writestr(item, old.read(item))
os.replace(sys.argv[1] + ".part", sys.argv[1])
PYTHON
(cd "$folder/debs" && apt-get download redis-server redis-tools libjemalloc2 liblzf1 libatomic1)
vision=nframes8_min4096_max17408
"$python" -m snakemake --cores all --configfile scripts/dev/gpu/sample.yaml -- results/gpu/nframes8/sft.toml \
    results/gpu/frames/$vision/{train,val}.json
"$python" - "$folder" <<'PYTHON'
import json, sys, tarfile
from pathlib import Path

with tarfile.open(Path(sys.argv[1], "data.tar.xz"), "w:xz") as tar:
    for path in ["results/gpu/data", "results/gpu/frames", "results/gpu/nframes8"]:
        tar.add(path)
    for index in Path("results/gpu/frames").glob("*/*.json"):
        for clip in json.loads(index.read_text())["clips"]:
            tar.add(clip["file"])
PYTHON
du -sh "$folder" "$folder"/*
