#!/usr/bin/env bash
# deploy.verify: served on a GPU: the sample's FP8 checkpoints behind vLLM's server, asked every question with the videos themselves; the gate.
#
#   bash scripts/dev/gpu/served.sh OUT [ABLATION ..]
#
# Needs vLLM in the Python named PYTHON (python), and of a finished sample run: results/sample/data, frames/*/val.json, each ablation's best.json,
# checkpoints, predictions and quantized/fp8.json, weights/sample/*/fp8, data/sample/videos/val. GPUS=0 tries it on a CPU, where
# PRECISION=fp8_dynamic runs. READERS: vllm roadtrain; the second needs av, qwen-vl-utils and torchvision there.
# Offline answers are those of the run. Ends on its own, after some two minutes an ablation. After run_vllm.sh unpack:
#   PYTHONPATH=/tmp/roadtrain-vllm/packages:scripts VLLM_USE_FLASHINFER_SAMPLER=0 PYTHON=python3 bash scripts/dev/gpu/served.sh OUT
set -euo pipefail

out=$1
shift
ablations=("$@")
((${#ablations[@]})) || ablations=(nframes8 fps2)
python=${PYTHON:-python} precision=${PRECISION:-fp8} gpus=${GPUS:-1} results=${RESULTS:-results/sample}
mkdir -p "$out"
for reader in ${READERS:-vllm roadtrain}; do
    for ablation in "${ablations[@]}"; do
        frames=$(ls "$results"/frames/"${ablation/%[0-9]*/}"*/val.json | head -1)
        folder=$out/$ablation-$reader
        mkdir -p "$folder"
        if ! timeout 280 "$python" scripts/evaluate_served.py --checkpoint "$results/$ablation/quantized/$precision.json" \
            --llava "$results/data/val.llava.json" --media "${MEDIA:-data/sample/videos/val}" --frames "$frames" \
            --system-prompt 'You are a helpful assistant.' --model-max-length 2048 --gpus "$gpus" --reader "$reader" \
            --predictions "$folder/$precision.jsonl" --source "$folder/$precision.source.json" > "$folder.log" 2>&1; then
            echo "FAILED $ablation $reader"
            tail -15 "$folder.log"
            continue # the others may go well
        fi
        "$python" scripts/gate.py --best "$results/$ablation/best.json" --baseline "$results/$ablation"/predictions/epoch_*.jsonl \
            --quantized "$results/$ablation/predictions/$precision.jsonl" --quantize '{"max_accuracy_drop": 0.02}' \
            --served "$folder/$precision.jsonl" --served-sources "$folder/$precision.source.json" --output "$folder/gate.json"
    done
done
