#!/usr/bin/env bash
# Trains the person detector, its trunk started from a pose run (INIT).
# Run it again to continue from the last checkpoint.
set -euo pipefail
: "${DATA:?folder with coco/}" "${PEERS:?folder with detect/}" "${INIT:?checkpoint of an LRPose-s run}"
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
exec litepose-export train persondet \
  --data "$DATA/coco/train.json" \
  --dev "$DATA/coco/dev.json" \
  --teacher "$PEERS/detect/rtmdet_nano_person_640.onnx" \
  --init "$INIT" \
  --minutes "${MINUTES:-40}" \
  --seed "${SEED:-0}" \
  --out "${OUT:-runs/persondet}"
