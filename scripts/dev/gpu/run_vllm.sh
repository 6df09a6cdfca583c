#!/usr/bin/env bash
# vLLM on this machine's GPU, from pieces that scripts/dev/gpu/prepare_vllm.sh made; no network.
#   scripts/dev/gpu/run_vllm.sh unpack FOLDER [..]               a piece as soon as it is here: FOLDER/p1, ..
#   scripts/dev/gpu/run_vllm.sh run OUT [--minutes M] [phase ..]  when all are: OUT/vllm.json and OUT/logs.tar.xz; phases: vllm_session.py --help
set -euo pipefail
waiting=()
what=${1:?unpack or run}
site=${TMPDIR:-/tmp}/roadtrain-vllm
mkdir -p "$site/packages" "$site/parts"
unset PYTHONDONTWRITEBYTECODE
if [[ $what = unpack ]]; then
    shift
    project=$(cd "$(dirname "$0")/../../.." && pwd)
    for folder in "$@"; do
        cp "$folder"/*.tar.xz.[0-9][0-9]-of-[0-9][0-9] "$site/parts/"
    done
    for last in "$site"/parts/*-of-*; do
        count=${last##*-of-}
        archive=${last%.*}
        parts=("$archive".[0-9][0-9]-of-"$count")
        [[ $last = "${parts[-1]}" && ${#parts[@]} -eq $((10#$count)) ]] || continue # the rest comes with another piece
        to=$site/packages
        [[ $(basename "$archive") != sample* ]] || to=$project
        (cat "${parts[@]}" | tar -C "$to" -xJf - && rm "${parts[@]}") &
        waiting+=($!)
    done
    for one in "${waiting[@]}"; do wait "$one"; done # a damaged archive ends it
    echo "packages: $(ls "$site/packages" | wc -l); parts that wait for others: $(ls "$site/parts" | wc -l)"
    exit
fi
if [[ -n $(ls "$site/parts") ]]; then
    echo "$site/parts: $(ls "$site/parts" | tr '\n' ' ')wait for other parts: unpack every piece first" >&2
    exit 1
fi
mkdir -p "${2:?a folder for the results}"
out=$(realpath "$2")
shift 2
cd "$(dirname "$0")/../../.."
# Twenty processes import all of it at once: compiled before.
libraries=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
[[ -w $libraries ]] || export PYTHONPYCACHEPREFIX=$site/pycache
timeout 25 python3 -m compileall -q -j 0 "$site/packages" "$libraries"/{torch,transformers} > /dev/null 2>&1 || true
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD/scripts${PYTHONPATH:+:$PYTHONPATH}" TORCHINDUCTOR_COMPILE_THREADS=${TORCHINDUCTOR_COMPILE_THREADS:-4}
exec python3 scripts/dev/gpu/vllm_session.py --site "$site/packages" --out "$out" "$@"
