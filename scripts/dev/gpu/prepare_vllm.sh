#!/usr/bin/env bash
# Put everything that scripts/dev/gpu/run_vllm.sh needs into one folder, in pieces that can be carried: vLLM and its dependencies
# without what one Hopper GPU never loads, and a finished sample run's questions, frames, videos and checkpoints.
#   scripts/dev/gpu/prepare_vllm.sh FOLDER RUN IMAGE [PYTHON]      where there is a network; no GPU needed
#     FOLDER   FOLDER/p1, p2, ..: pieces of 44 MiB; FOLDER/wheels, run and sample.tar.xz stay here
#     RUN      the folder that has results/sample, weights/sample, cache/frames and data/sample of `make demo`
#     IMAGE    names of the packages that the GPU machine has (pip list), to see what would be missing
#     PYTHON   has Roadtrain's environment
# Made here, on the CPU: fp8_dynamic, nvfp4 and fp8 with FP8 keys and values of the best nframes8 epoch, a LoRA of rank 16 (90 videos),
# and what the local engine answers to each. What is in FOLDER/run already is not made again.
set -euo pipefail
folder=$(realpath -m "${1:?a folder}")
run=$(realpath "${2:?the folder of a finished sample run}")
image=$(realpath "${3:?names of the packages of the GPU machine}")
python=$(realpath -s "${4:-.venv/bin/python}")
cd "$(dirname "$0")/../../.."
project=$PWD
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} PYTHONPATH=$project/scripts
mkdir -p "$folder/wheels" "$folder/run"

platforms=()
for libc in 17 24 26 27 28 31 34 35; do platforms+=(--platform "manylinux_2_${libc}_x86_64"); done
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp "${platforms[@]}" \
    --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64 --dest "$folder/wheels" \
    --requirement scripts/dev/gpu/vllm_wheels.txt

# A copy of the run, in which paths of manifests and indexes hold.
cd "$folder/run"
mkdir -p results weights
[[ -e results/sample ]] || cp -r "$run/results/sample" results/
[[ -e weights/sample ]] || cp -r "$run/weights/sample" weights/
for part in cache data; do ln -sfn "$run/$part" $part; done
for part in scripts specs; do ln -sfn "$project/$part" $part; done
"$python" scripts/dev/gpu/vllm_checkpoints.py
"$python" scripts/dev/gpu/vllm_data.py "$folder/sample.tar.xz"
"$python" scripts/dev/gpu/vllm_pieces.py "$folder" --image "$image"
du -sh "$folder"/p[0-9]*
