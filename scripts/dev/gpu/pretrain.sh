#!/usr/bin/env bash
# One GPU, some minutes: pre-train on from a base, and see how it and the old one take to SFT.
#   pretrain.sh START OUT SECONDS [arguments of pretrain_base.py]     OUT/base.tar: the base, pretrain.log, probe.log
# Nothing is lost when time runs out: the base is saved with every line of the log, and OUT/base.tar is made before the
# last probes begin.
export PYTHONPATH=scripts
set -u
start=$1 out=$(realpath "$2") seconds=$3
shift 3
cd "$(dirname "$0")/../../.."
export TORCHINDUCTOR_COMPILE_THREADS=8 OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore
python=${PYTHON:-python3}
work=$(mktemp -d)
keep() { tar -C "$work" --exclude=scenes.pt -cf "$out/base.tar.part" . && mv "$out/base.tar.part" "$out/base.tar"; }
probe() { timeout $((seconds > SECONDS ? seconds - SECONDS : 1)) "$python" scripts/dev/probe_base.py --scenes "$work/scenes.pt" "$@" 2>&1 | grep -v Loading | tee -a "$work/probe.log"; }

{ "$python" scripts/dev/probe_base.py --draw "$work/scenes.pt" --train 330 --processes 4; probe "$start" --scenarios 330 --seeds 2 --rates 1e-3 5e-4 2e-3 --processes 6; } &
timeout $((seconds - 60)) "$python" scripts/dev/pretrain_base.py --start "$start" --out "$work/base" --until $((seconds - 120)) \
    --processes 14 "$@" < /dev/null
keep
probe "$work/base" --scenarios 330 --seeds 1 --offered 4 --processes 2 &
probe "$work/base" --scenarios 330 --seeds 3 --processes 6
wait
keep
