#!/usr/bin/env bash
# Trains LRPose-s. DATA and PEERS name the folders of the photographs and of the teachers.
# Run it again to continue from the last checkpoint.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/ and detect/}"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
out="${OUT:-runs/lrpose-s}"
train() {
  litepose-export train lrpose-s \
    --data "$DATA/coco/train.json" \
    --data "$DATA/lspet/train.json" \
    --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
    --loss "${LOSS:-rce-place}" \
    --seed "${SEED:-0}" "$@"
}
# From small crops to full size, then a second, gentler run.
train --minutes "${MINUTES:-58}" --out "$out/first"
train --minutes "${REFINE_MINUTES:-120}" --out "$out" --init "$out/first/last.pt" --refine
