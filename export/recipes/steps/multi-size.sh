#!/usr/bin/env bash
# Multi-size training: LRPose-s and -m together on an accelerator, from the same crops. Two stages, the
# second at half the rates from where the first ends, then the mean of both ends. DATA and PEERS name
# the folders of the photographs and of the teacher. Run it again to continue from the last checkpoint.
# INIT is a folder of checkpoints (lrpose-s.pt, ...) or a float file, whose trunk all sizes take that fit.
# REINIT is a part that takes nothing from it. It leaves OUT/lrpose-s.pt and OUT/lrpose-m.pt, from which
# lrpose-m.sh continues; the released s comes from m (lrpose-s.sh, ADR 33).
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
out=${OUT:-runs/lrpose}
here=$(dirname "$0")
stage() {
  litepose-export train lrpose-s+lrpose-m --data-on-device \
    --data "$DATA/coco/train.json" \
    --data-name "COCO val2017 (part) and train2017 (118 photographs)" --licence Apache-2.0 \
    --data "$DATA/lspet/train.json" \
    --data-name "Leeds Sports Pose Extended (part)" \
    --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --loss "${LOSS:-rce-residual-place}" --teacher-share "${TEACHER_SHARE:-0.6}" \
    --device "${DEVICE:-cuda}" "$@"
}
stage --init "${INIT:?folder of checkpoints, or a float file}" \
  ${REINIT:+--reinit "$REINIT"} --seed "${SEED:-81}" --minutes "${MINUTES:-8}" --out "$out/first"
stage --init "$out/first" \
  --seed "${SECOND_SEED:-82}" --minutes "${SECOND_MINUTES:-3.6}" --rate 0.5 --out "$out/second"
for size in s m; do
  python "$here/average.py" "$out/first/lrpose-$size.pt" "$out/second/lrpose-$size.pt" \
    --out "$out/lrpose-$size.pt"
done
