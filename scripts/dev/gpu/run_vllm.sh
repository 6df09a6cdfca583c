#!/usr/bin/env bash
# vLLM on this machine's GPU, from pieces that scripts/dev/gpu/prepare_vllm.sh made; no network.
#   scripts/dev/gpu/run_vllm.sh unpack FOLDER [..]               a piece as soon as it is here: FOLDER/p1, ..
#   scripts/dev/gpu/run_vllm.sh run OUT [--minutes M] [phase ..]  when all are: OUT/vllm.json and OUT/logs.tar.xz; phases: vllm_session.py --help
set -euo pipefail
what=${1:?unpack or run}
site=${TMPDIR:-/tmp}/roadtrain-vllm
mkdir -p "$site/packages" "$site/parts"
unset PYTHONDONTWRITEBYTECODE
if [[ $what = unpack ]]; then
    shift
    project=$(cd "$(dirname "$0")/../../.." && pwd)
    for folder in "$@"; do
        for file in "$folder"/*; do
            name=$(basename "$file")
            case $name in
                *.part[0-9][0-9]) cp "$file" "$site/parts/" ;; # joined when the last is here
                sample*.tar.xz) tar -C "$project" -xJf "$file" & ;;
                *.tar.xz) tar -C "$site/packages" -xJf "$file" & ;;
            esac
        done
    done
    wait
    ls -la "$site/packages" | wc -l
    exit
fi
mkdir -p "${2:?a folder for the results}"
out=$(realpath "$2")
shift 2
cd "$(dirname "$0")/../../.."
for first in "$site"/parts/*.part00; do
    [[ -e $first ]] || continue
    cat "${first%00}"[0-9][0-9] | tar -C "$site/packages" -xJf - && rm "${first%00}"[0-9][0-9]
done
# Twenty processes import all of it at once: compiled before.
libraries=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
[[ -w $libraries ]] || export PYTHONPYCACHEPREFIX=$site/pycache
timeout 25 python3 -m compileall -q -j 0 "$site/packages" "$libraries"/{torch,transformers} > /dev/null 2>&1 || true
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD/scripts${PYTHONPATH:+:$PYTHONPATH}" TORCHINDUCTOR_COMPILE_THREADS=${TORCHINDUCTOR_COMPILE_THREADS:-4}
exec python3 scripts/dev/gpu/vllm_session.py --site "$site/packages" --out "$out" "$@"
