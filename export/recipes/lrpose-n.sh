#!/usr/bin/env bash
# LRPose-n: a slimmed LRPose-s (steps/slim.py), trained on. INIT is a checkpoint of s, or its float file.
# DATA and PEERS name the folders of the photographs and of the teachers. Run it again to continue from
# the last checkpoint. One seed is no figure: run it with SEED=1 and SEED=2, at once on two cores.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
out=${OUT:-runs/lrpose-n-${SEED:-1}}
mkdir -p "$out"
if [ ! -e "$out/slim.pt" ]; then
  python "$(dirname "$0")/steps/slim.py" "${INIT:-litepose_edge/models/lrpose-s.fp32.onnx}" \
    --data "$DATA/coco/train.json" --out "$out/slim.pt"
fi
# The rates are near those of a run from scratch: most of what was inside the blocks is gone.
litepose-export train lrpose-n --stage finetune --init "$out/slim.pt" \
  --data "$DATA/coco/train.json" \
  --data-name "COCO val2017 (part) and train2017 (118 photographs)" --licence Apache-2.0 \
  --data "$DATA/lspet/train.json" \
  --data-name "Leeds Sports Pose Extended (part)" \
  --dev "$DATA/coco/dev.json" \
  --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
  --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
  --loss "${LOSS:-rce-residual-place}" --teacher-share "${TEACHER_SHARE:-0.6}" --rate "${RATE:-8}" \
  --seed "${SEED:-1}" --threads "${THREADS:-1}" --minutes "${MINUTES:-60}" --out "$out"
