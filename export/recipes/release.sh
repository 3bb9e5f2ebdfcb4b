#!/usr/bin/env bash
# Checkpoints to the files the runtime ships: float, INT8 for x86 and ARM, probe, checksums.
# INT8 files are refused beyond the bounds below; the figures land in the reports.
set -euo pipefail
: "${DATA:?folder with coco/}" "${POSE:?LRPose-s checkpoint}" "${DETECTOR:?PersonDet checkpoint}"
models=${MODELS:-litepose_edge/models}
reports=${REPORTS:-runs/int8}
samples="$DATA/coco/train.json"
dev="$DATA/coco/dev.json"
mkdir -p "$models" "$reports"
storage="--dynamic-batch --float16-storage"
litepose-export export lrpose-s $storage --checkpoint "$POSE" --samples "$samples" \
  --out "$models/lrpose-s.fp32.onnx"
# The detector score that stands for the runtime's default threshold of 0.3, chosen on dev.
litepose-export export persondet $storage --checkpoint "$DETECTOR" --samples "$samples" \
  --threshold "${THRESHOLD:-0.4}" --out "$models/persondet.fp32.onnx"
# docs/quantization.md has the figures of these choices and of those that lost.
int8() {
  local name=$1
  shift
  litepose-export quantize "$models/$name.fp32.onnx" --calibration "$samples" --gate "$dev" \
    --target x86 --out "$models/$name.int8-x86.onnx" --twin "$models/$name.int8-arm.onnx" \
    --equalize --adaptive-rounding --report "$reports/$name.json" "$@"
}
# shellcheck disable=SC2086 - words on purpose
int8 lrpose-s ${POSE_INT8:---float stem --float residual --float head --follow 150} \
  --gate-people 876 --max-shift-px 0.25 --max-p95-px 1.2 --max-ap-drop 0.004
int8 persondet --gate-people 345 --max-ap-drop 0.006
litepose-export publish "$models"
