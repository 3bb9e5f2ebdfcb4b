#!/usr/bin/env bash
# Checkpoints to the files the runtime ships: float, INT8 for x86 and ARM, probe, checksums.
set -euo pipefail
: "${DATA:?folder with coco/}" "${POSE:?LRPose-s checkpoint}" "${DETECTOR:?PersonDet checkpoint}"
models=${MODELS:-litepose_edge/models}
samples="$DATA/coco/train.json"
mkdir -p "$models"
storage="--dynamic-batch --float16-storage"
litepose-export export lrpose-s $storage --checkpoint "$POSE" --samples "$samples" \
  --out "$models/lrpose-s.fp32.onnx"
# The detector score that stands for the runtime's default threshold of 0.3, chosen on dev.
litepose-export export persondet $storage --checkpoint "$DETECTOR" --samples "$samples" \
  --threshold "${THRESHOLD:-0.4}" --out "$models/persondet.fp32.onnx"
for name in lrpose-s persondet; do
  for target in x86 arm; do
    litepose-export quantize "$models/$name.fp32.onnx" --calibration "$samples" \
      --target "$target" --out "$models/$name.int8-$target.onnx"
  done
done
litepose-export publish "$models"
