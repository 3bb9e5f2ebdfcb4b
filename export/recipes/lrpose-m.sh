#!/usr/bin/env bash
# Goes on with one LRPose on a CPU from what lrpose-siblings.sh leaves: SIZE=m, or s (lrpose-s.sh). Legs
# of gentle crops of COCO, each from where the one before ends. DATA and PEERS name the folders of the
# photographs and of the teachers. Run it again to continue from the last checkpoint. With MEAN the
# result is the mean of the last two ends, MEAN of it the last.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
size=${SIZE:-m}
out=${OUT:-runs/lrpose-$size}
# Seed, minutes, rate and threads of each leg.
read -ra legs <<< "${LEGS:-84:14:0.8:1 86:16:0.8:1 88:55:1.0:2}"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
init=${INIT:-runs/lrpose/lrpose-$size.pt}
for number in "${!legs[@]}"; do
  IFS=: read -r seed minutes rate threads <<< "${legs[$number]}"
  leg=$out
  if [ -n "${MEAN:-}" ] || [ $((number + 1)) -lt "${#legs[@]}" ]; then
    leg=$out/leg-$((number + 1))
  fi
  # The first layers, which know edges and limbs, stay: a step takes three quarters of the time.
  litepose-export train "lrpose-$size" --refine --init "$init" \
    --data "$DATA/coco/train.json" \
    --data "$DATA/lspet/train.json" \
    --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
    --freeze trunk.stem --freeze trunk.stage_4 \
    --loss "${LOSS:-rce-residual-place}" --teacher-share "${TEACHER_SHARE:-0.6}" \
    --rate "$rate" --threads "$threads" --seed "$seed" --minutes "$minutes" --out "$leg"
  before=$init
  init=$leg/last.pt
done
if [ -n "${MEAN:-}" ]; then
  python "$(dirname "$0")/average.py" "$before" "$init" --part "$MEAN" --out "$out/last.pt"
fi
