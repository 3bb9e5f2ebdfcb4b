#!/usr/bin/env bash
# Trains LRPose-n from nothing. DATA and PEERS name the folders of the photographs and of the teachers.
# Run it again to continue from the last checkpoint. One seed is no figure: run it with SEED=1, SEED=2.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
# --refine: gentle crops, 128x96 and then the 192x144 that the network takes. A short run sees
# everybody a few times only and learns what is usual first.
litepose-export train lrpose-n --refine \
  --data "$DATA/coco/train.json" \
  --data "$DATA/lspet/train.json" \
  --dev "$DATA/coco/dev.json" \
  --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
  --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
  --loss "${LOSS:-rce-residual-place}" --seed "${SEED:-1}" --threads "${THREADS:-2}" \
  --minutes "${MINUTES:-20}" --out "${OUT:-runs/lrpose-n-${SEED:-1}}"
