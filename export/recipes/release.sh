#!/usr/bin/env bash
# Checkpoints to the files the runtime ships: float, INT8, probe, checksums.
# POSE, POSE_M, POSE_N and DETECTOR are checkpoints; without one, the float file that is there stays as it is.
# INT8 files are refused beyond the bounds below; the figures land in the reports.
set -euo pipefail
: "${DATA:?folder with coco/}"
models=${MODELS:-litepose_edge/models}
# The float files of m and n are not bundled: the package would pass its 12 MiB.
weights=${WEIGHTS:-export/weights}
reports=${REPORTS:-runs/int8}
samples="$DATA/coco/train.json"
dev="$DATA/coco/dev.json"
mkdir -p "$models" "$weights" "$reports"
storage="--dynamic-batch --float16-storage"
if [ -n "${POSE:-}" ]; then
  litepose-export export lrpose-s $storage --released --checkpoint "$POSE" --samples "$samples" \
    --threshold "${THRESHOLD_S:-0.2}" \
    --out "$models/lrpose-s.fp32.onnx"
fi
# Keypoints of score 0.2 (THRESHOLD_S, _M, _N) are right half of the time: those are to be drawn.
if [ -n "${POSE_M:-}" ]; then
  litepose-export export lrpose-m $storage --released --checkpoint "$POSE_M" --samples "$samples" \
    --threshold "${THRESHOLD_M:-0.2}" --out "$weights/lrpose-m.fp32.onnx"
fi
if [ -n "${POSE_N:-}" ]; then
  litepose-export export lrpose-n $storage --released --checkpoint "$POSE_N" --samples "$samples" \
    --threshold "${THRESHOLD_N:-0.2}" --out "$weights/lrpose-n.fp32.onnx"
fi
# The detector score that becomes the default threshold of 0.3 (ADR 17).
if [ -n "${DETECTOR:-}" ]; then
  litepose-export export persondet $storage --dynamic-size --checkpoint "$DETECTOR" --samples "$samples" \
    --threshold "${THRESHOLD:-0.26}" --out "$models/persondet.fp32.onnx"
fi
# docs/experiments/quantization.md has the figures of these choices and of those that lost.
int8() {
  local name=$1 float=$2
  shift 2
  litepose-export quantize "$float/$name.fp32.onnx" --calibration "$samples" --gate "$dev" \
    --target x86 --out "$models/$name.int8.onnx" \
    --equalize --clip-search --gptq --report "$reports/$name.json" "$@"
}
# POSE_FLOAT="stem residual head" makes slower files that shift keypoints less.
patterns=()
for pattern in ${POSE_FLOAT:-stem head}; do patterns+=(--float "$pattern"); done
pose() {
  # The runtime makes the ARM form of the x86 file itself (ADR 24); here the gate holds it, too.
  int8 "$@" --arm-out "$reports/$1.int8-arm.onnx" "${patterns[@]}" --count 600 --finetune-steps "${FINETUNE_STEPS:-500}" --gate-people 876 \
    --max-shift-px "${MAX_SHIFT:-0.3}" --max-p95-px "${MAX_P95:-1.5}" --max-ap-drop 0.005
}
# ONLY=lrpose-m makes the files of one network.
wanted() { [ -z "${ONLY:-}" ] || [ "$ONLY" = "$1" ]; }
if wanted lrpose-s; then pose lrpose-s "$models"; fi
if wanted lrpose-m; then pose lrpose-m "$weights"; fi
if wanted lrpose-n; then pose lrpose-n "$weights"; fi
if wanted persondet; then int8 persondet "$models" --gate-people 345 --max-ap-drop 0.006; fi
litepose-export publish "$models"
