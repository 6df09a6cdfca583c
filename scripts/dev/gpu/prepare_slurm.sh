#!/usr/bin/env bash
# Put everything that scripts/dev/gpu/slurm_gpus.sh needs into one folder: Debian's Slurm with its libraries, Snakemake's wheels, the
# sample as far as training needs it.
#   scripts/dev/gpu/prepare_slurm.sh FOLDER [PYTHON]   on Debian 12 with a network; no GPU needed; PYTHON has Roadtrain's environment
set -euo pipefail
folder=$(realpath -m "${1:?a folder}")
python=$(realpath -s "${2:-.venv/bin/python}")
cd "$(dirname "$0")/../../.."
rm -rf "$folder"
mkdir -p "$folder/wheels" "$folder/debs"
platforms=()
for libc in 5 17 24 27 28 31 34 35; do platforms+=(--platform "manylinux_2_${libc}_x86_64"); done
# connection-pool has no wheel: plain Python, built here.
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder/wheels" "$(grep connection-pool scripts/dev/gpu/slurm_wheels.txt)"
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp "${platforms[@]}" \
    --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --dest "$folder/wheels" \
    --requirement <(grep -v connection-pool scripts/dev/gpu/slurm_wheels.txt)
# 12 MiB less to carry: pulp has its solver for six kinds of machines.
"$python" - "$folder"/wheels/pulp-*.whl <<'PYTHON'
import os, sys, zipfile

with zipfile.ZipFile(sys.argv[1]) as old, zipfile.ZipFile(sys.argv[1] + ".part", "w", zipfile.ZIP_DEFLATED) as new:
    for item in old.infolist():
        if "/solverdir/cbc/" not in item.filename or "/linux/i64/" in item.filename:
            new.writestr(item, old.read(item))
os.replace(sys.argv[1] + ".part", sys.argv[1])
PYTHON
(cd "$folder/debs" && apt-get download slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge \
    libmunge2 libhwloc15 libnuma1 liblz4-1 libpam0g libgcrypt20 libgpg-error0 libbz2-1.0 zlib1g libreadline8 libtinfo6 libudev1 \
    libaudit1 libcap-ng0 libdbus-1-3 libsystemd0 liblzma5 libzstd1 libcap2)
spec=(--configfile scripts/dev/gpu/slurm_sample.yaml)
"$python" -m snakemake --cores all --until preflight decode_frames describe_base "${spec[@]}"
# .snakemake/metadata says what made each file: without it Snakemake would go by the times of a copy.
tar -cJf "$folder/data.tar.xz" results/slurm cache/frames data/slurm .snakemake/metadata
du -sh "$folder" "$folder"/*
