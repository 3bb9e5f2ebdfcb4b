#!/usr/bin/env bash
# Goes on with one LRPose on a CPU from what lrpose-siblings.sh leaves: SIZE=m, or s (lrpose-s.sh). Two
# legs of gentle crops of COCO, the second from where the first ends. DATA and PEERS name the folders of
# the photographs and of the teachers. Run it again to continue from the last checkpoint.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
size=${SIZE:-m}
out=${OUT:-runs/lrpose-$size}
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
# The first layers, which know edges and limbs, stay: a step takes three quarters of the time.
leg() {
  litepose-export train "lrpose-$size" --refine \
    --data "$DATA/coco/train.json" \
    --data "$DATA/lspet/train.json" \
    --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
    --freeze trunk.stem --freeze trunk.stage_4 \
    --loss "${LOSS:-rce-residual-place}" --teacher-share "${TEACHER_SHARE:-0.6}" --rate "${RATE:-0.8}" \
    --threads "${THREADS:-1}" "$@"
}
leg --init "${INIT:-runs/lrpose/lrpose-$size.pt}" \
  --seed "${SEED:-84}" --minutes "${MINUTES:-14}" --out "$out/first"
leg --init "$out/first/last.pt" \
  --seed "${SECOND_SEED:-86}" --minutes "${SECOND_MINUTES:-16}" --out "$out"
