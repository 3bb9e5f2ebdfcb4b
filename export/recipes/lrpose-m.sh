#!/usr/bin/env bash
# Goes on with one LRPose on a CPU from what lrpose-siblings.sh leaves: SIZE=m, or s (lrpose-s.sh). Legs
# of gentle crops of COCO, each from where the one before ends. DATA and PEERS name the folders of the
# photographs and of the teachers. Run it again to continue from the last checkpoint. A leg with a part
# ends in the mean of where it began and where it came to, so much of it the latter.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
size=${SIZE:-m}
out=${OUT:-runs/lrpose-$size}
# Seed, minutes, rate, threads and part of each leg.
read -ra legs <<< "${LEGS:-84:14:0.8:1 86:16:0.8:1 88:55:1.0:2 92:34:0.7:2:0.6 94:28:0.7:2:0.6}"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
init=${INIT:-runs/lrpose/lrpose-$size.pt}
for number in "${!legs[@]}"; do
  IFS=: read -r seed minutes rate threads part <<< "${legs[$number]}"
  leg=$out/leg-$((number + 1))
  mkdir -p "$leg"
  # The teachers say the same to every leg: asked once.
  if [ "$number" -gt 0 ] && [ ! -e "$leg/teaching.npz" ]; then
    ln "$out/leg-$number/teaching.npz" "$leg/"
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
  if [ -n "$part" ]; then
    python "$(dirname "$0")/average.py" "$init" "$leg/last.pt" --part "$part" --out "$leg/mean.pt"
    init=$leg/mean.pt
  else
    init=$leg/last.pt
  fi
done
ln -f "$init" "$out/last.pt"
