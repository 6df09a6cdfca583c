#!/usr/bin/env bash
# What frozen parts, kept vision features and LoRA bring on one GPU, at true sizes with random weights; no network.
#   scripts/dev/gpu/adapt.sh OUT [PHASE ..]      OUT/<phase>.json, written row by row; each phase is some minutes:
#     2B       stock transformers, everything trained, frozen, cached, lora, lora+cached at 2,880 tokens
#     long     cached and lora+cached at 7,733 tokens (2B)
#     8B       lora and lora+cached at 2,880 tokens
#     trainer  train_local.py itself at 2B: a LoRA and a frozen tower, features kept
set -euo pipefail
mkdir -p "${1:?a folder for the results}"
out=$(realpath "$1")
shift
cd "$(dirname "$0")/../../.."
export PYTHONPATH=scripts PYTHONWARNINGS=ignore TORCHINDUCTOR_COMPILE_THREADS=${TORCHINDUCTOR_COMPILE_THREADS:-8}
python=${PYTHON:-python3}
bench() { "$python" scripts/dev/bench_train.py --no-equivalence --minutes 8 --output "$out/$1.json" "${@:2}" 2> >(tee -a "$out/$1.log" >&2); }

for phase in "${@:-2B long 8B trainer}"; do
    for one in $phase; do
        case $one in
            2B) bench 2B --sizes 2B --tokens 2880 --ways stock/checkpointing,shared/2,frozen/4,cached/4,lora/4,lora+cached/4 ;;
            long) bench long --sizes 2B --tokens 7733 --ways stock/checkpointing,cached/2,lora+cached/2 ;;
            8B) bench 8B --sizes 8B --tokens 2880 --ways lora,lora/2,lora+cached/2 ;;
            trainer) "$python" scripts/dev/gpu/adapt_trainer.py --out "$out" 2> >(tee -a "$out/trainer.log" >&2) ;;
            *) echo "adapt.sh: $one: should be of 2B, long, 8B, trainer" >&2; exit 2 ;;
        esac
    done
done
