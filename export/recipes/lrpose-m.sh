#!/usr/bin/env bash
# Trains LRPose-m from the released LRPose-s. DATA and PEERS name the folders of the photographs and
# of the teachers. Run it again to continue from the last checkpoint. The released weights are those of
#   OUT=a; INIT=a/last.pt RATE=1.33 SEED=47 MINUTES=92 OUT=b; REFINE=1 INIT=b/last.pt SEED=53 MINUTES=8 OUT=c
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
# The first layers, which know edges and limbs, stay: a step takes three quarters of the time.
litepose-export train lrpose-m \
  --data "$DATA/coco/train.json" \
  --data "$DATA/lspet/train.json" \
  --dev "$DATA/coco/dev.json" \
  --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
  --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
  --init "${INIT:-litepose_edge/models/lrpose-s.fp32.onnx}" \
  --freeze trunk.stem --freeze trunk.stage_4 \
  --loss "${LOSS:-rce-residual-place}" --rate "${RATE:-1}" --seed "${SEED:-31}" ${REFINE:+--refine} \
  --minutes "${MINUTES:-68}" --out "${OUT:-runs/lrpose-m}"
