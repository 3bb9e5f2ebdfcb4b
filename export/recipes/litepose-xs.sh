#!/usr/bin/env bash
# Trains a bottom-up network and makes its files. NETWORK is litepose-xs, litepose-xs-k5 or
# litepose-xs-dense (any litepose-* of `litepose-export list` works); DATA names the folder of the
# photographs. INIT may name a model to start from: for litepose-xs-dense the released LRPose-s,
# litepose_edge/models/lrpose-s.fp32.onnx. TEACHER may name the checkpoint of a litepose-xs-dense, whose
# features litepose-xs then learns as well. Run it again to continue from the last checkpoint.
set -euo pipefail
: "${DATA:?folder with coco/}"
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
network="${NETWORK:-litepose-xs}"
out="${OUT:-runs/$network}"
train() {
  litepose-export train "$network" \
    --data "$DATA/coco/train.json" \
    --data-name "COCO val2017 (part) and train2017 (118 photographs)" --licence Apache-2.0 \
    --dev "$DATA/coco/dev.json" \
    --threads "${THREADS:-1}" \
    --seed "${SEED:-0}" "$@"
}
# Small crops first. A model worth using takes STEPS in the hundred thousands: days of a CPU, hours
# of a GPU. FINETUNE_STEPS follow at the size the network runs at.
train --steps "${STEPS:-7000}" --out "$out/first" ${INIT:+--init "$INIT"} ${TEACHER:+--teacher "$TEACHER"}
checkpoint="$out/first/last.pt"
if [ "${FINETUNE_STEPS:-0}" -gt 0 ]; then
  train --steps "$FINETUNE_STEPS" --out "$out" --init "$checkpoint" --stage finetune
  checkpoint="$out/last.pt"
fi
# The threshold goes with the loss: LossWeights.heat_of(0.1). benchmarks.analysis.grouping_thresholds
# helps to choose threshold and join distance.
litepose-export export "$network" --checkpoint "$checkpoint" --dynamic-size --rewrite-deconv \
  --threshold "${THRESHOLD:-0.5}" --max-join-distance "${MAX_JOIN_DISTANCE:-0.3}" \
  --samples "$DATA/coco/train.json" --out "$out/$network.fp32.onnx"
litepose-edge eval --model "$out/$network.fp32.onnx" --data "$DATA/coco/dev.json"
# The gate refuses networks whose INT8 keypoints differ too much: a larger threshold or a smaller join
# distance steadies them.
litepose-export quantize "$out/$network.fp32.onnx" --calibration "$DATA/coco/train.json" \
  --target "${TARGET:-x86}" --out "$out/$network.int8.onnx"
litepose-edge eval --model "$out/$network.int8.onnx" --data "$DATA/coco/dev.json"
