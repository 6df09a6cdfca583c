#!/usr/bin/env bash
# many_gpus.py on this machine's GPUs, from a folder that scripts/dev/gpu/prepare.sh made; no network.
#   scripts/dev/gpu/many_gpus.sh FOLDER OUT [--minutes M] [phase ..]      OUT: many_gpus.json, many_gpus.log; phases: many_gpus.py
set -euo pipefail
source "$(dirname "$0")/tools.sh"
enter_project "$@"
shift 2
install_tools "$folder"
# States and checkpoints (26 GB of a 2B model) in memory: a machine's disk may take minutes for them.
if [[ ! -e weights/gpu/many ]] && mount -o remount,size=100G /dev/shm 2> /dev/null; then
    mkdir -p /dev/shm/roadtrain-many weights/gpu && ln -s /dev/shm/roadtrain-many weights/gpu/many
fi
export PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore PYTHONPATH="$PWD/scripts:$tools${PYTHONPATH:+:$PYTHONPATH}"
df -h /dev/shm . | cat
python3 scripts/dev/gpu/many_gpus.py "$out" "$@"
