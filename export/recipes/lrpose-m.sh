#!/usr/bin/env bash
# Goes on with one LRPose on a CPU: SIZE=m, or s (lrpose-s.sh). DATA and PEERS name the folders of the
# photographs and of the teachers. Run it again to continue from the last checkpoint.
# The released weights: this recipe, then it once more with REFINE=1 RATE=0.8 from its own result.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
size=${SIZE:-m}
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
# The first layers, which know edges and limbs, stay: a step takes three quarters of the time.
litepose-export train "lrpose-$size" \
  --data "$DATA/coco/train.json" \
  --data "$DATA/lspet/train.json" \
  --dev "$DATA/coco/dev.json" \
  --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
  --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
  --init "${INIT:-runs/lrpose/lrpose-$size.pt}" \
  --freeze trunk.stem --freeze trunk.stage_4 \
  --loss "${LOSS:-rce-residual-place}" --teacher-share "${TEACHER_SHARE:-0.6}" --rate "${RATE:-0.45}" \
  --seed "${SEED:-73}" --threads "${THREADS:-2}" ${REFINE:+--refine} \
  --minutes "${MINUTES:-32}" --out "${OUT:-runs/lrpose-$size}"
