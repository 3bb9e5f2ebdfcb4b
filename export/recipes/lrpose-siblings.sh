#!/usr/bin/env bash
# Trains LRPose-s and LRPose-m together on an accelerator, from the same views. DATA and PEERS name the
# folders of the photographs and of the teacher. Run it again to continue from the last checkpoint.
# lrpose-s.sh and lrpose-m.sh go on from what it leaves: OUT/lrpose-s.pt, OUT/lrpose-m.pt.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
# s takes the trunk of the m that was released before; its narrower stage at stride 32 starts anew.
litepose-export train lrpose-s+lrpose-m --resident \
  --data "$DATA/coco/train.json" \
  --data "$DATA/lspet/train.json" \
  --dev "$DATA/coco/dev.json" \
  --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
  --init "${INIT:-export/weights/lrpose-m.fp32.onnx}" --fresh lrpose-s.context \
  --loss "${LOSS:-rce-residual-place}" --teacher-share "${TEACHER_SHARE:-0.6}" --rate "${RATE:-1}" \
  --seed "${SEED:-61}" --device "${DEVICE:-cuda}" ${REFINE:+--refine} \
  --minutes "${MINUTES:-7}" --out "${OUT:-runs/lrpose}"
