#!/usr/bin/env bash
# Trains a bottom-up network and makes its files. NETWORK is litepose-xs, litepose-xs-k5 or
# litepose-xs-dense (any litepose-* of `litepose-export list` works); DATA names the folder of the
# photographs. INIT may name a model to start from: for litepose-xs-dense the released LRPose-s,
# litepose_edge/models/lrpose-s.fp32.onnx. TEACHER may name the checkpoint of a litepose-xs-dense, for
# hints to litepose-xs. Run it again to continue from the last checkpoint.
set -euo pipefail
: "${DATA:?folder with coco/}"
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
network="${NETWORK:-litepose-xs}"
out="${OUT:-runs/$network}"
train() {
  litepose-export train "$network" \
    --data "$DATA/coco/train.json" \
    --dev "$DATA/coco/dev.json" \
    --threads "${THREADS:-1}" \
    --seed "${SEED:-0}" "$@"
}
# Small views first. A model worth using takes STEPS in the hundred thousands: days of a CPU, hours
# of a GPU. REFINE_STEPS go on at the size the network runs at.
train --steps "${STEPS:-7000}" --out "$out/first" ${INIT:+--init "$INIT"} ${TEACHER:+--teacher "$TEACHER"}
checkpoint="$out/first/last.pt"
if [ "${REFINE_STEPS:-0}" -gt 0 ]; then
  train --steps "$REFINE_STEPS" --out "$out" --init "$checkpoint" --refine
  checkpoint="$out/last.pt"
fi
# The threshold goes with the loss: LossWeights.heat_of(0.1). choose_grouping.py helps to choose
# both.
litepose-export export "$network" --checkpoint "$checkpoint" --dynamic-size --rewrite-deconv \
  --threshold "${THRESHOLD:-0.5}" --max-join-distance "${REACH:-0.3}" --samples "$DATA/coco/train.json" --out "$out/$network.fp32.onnx"
litepose-edge eval --model "$out/$network.fp32.onnx" --data "$DATA/coco/dev.json"
# The gate refuses networks whose keypoints go elsewhere in INT8: a larger threshold or a smaller
# reach steadies them.
litepose-export quantize "$out/$network.fp32.onnx" --calibration "$DATA/coco/train.json" \
  --target "${TARGET:-x86}" --out "$out/$network.int8.onnx"
litepose-edge eval --model "$out/$network.int8.onnx" --data "$DATA/coco/dev.json"
