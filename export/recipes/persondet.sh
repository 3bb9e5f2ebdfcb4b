#!/usr/bin/env bash
# The person detector, its trunk started from that of LRPose-m (INIT); or, with a detector as INIT (ONWARD=1),
# that one trained on. Run it again to continue from the last checkpoint. ACTIONS is Stanford 40
# Actions as published: whole photographs, whose other people the teacher finds.
set -euo pipefail
: "${DATA:?folder with coco/}" "${PEERS:?folder with detect/}" "${INIT:?checkpoint or float file of LRPose-m}"
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
out="${OUT:-runs/persondet}"
actions=()
if [ -n "${ACTIONS:-}" ]; then
  python export/recipes/steps/stanford40_boxes.py "$ACTIONS" --out "$out/actions.json"
  actions=(--data "$out/actions.json" --images "$DATA/coco/images" --images "$ACTIONS/JPEGImages" --data-name "Stanford 40 Actions")
fi
train() {
  litepose-export train persondet \
    --data "$DATA/coco/train.json" --data-name "COCO val2017 (part) and train2017 (118 photographs)" \
    "${actions[@]}" --licence Apache-2.0 \
    --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/detect/rtmdet_nano_person_640.onnx" \
    --seed "${SEED:-0}" "$@"
}
# Small scenes first; then full size, with the false positives of the first run as hard negatives;
# then the same at rates so low that nothing learned is lost.
if [ -z "${ONWARD:-}" ]; then
  train --minutes "${MINUTES:-40}" --out "$out/first" --init "$INIT"
  train --minutes "${FINETUNE_MINUTES:-120}" --out "$out/second" --init "$out/first/last.pt" --stage finetune
  INIT=$out/second/last.pt
fi
budget=(--minutes "${LAST_MINUTES:-38}")
if [ -n "${STEPS:-}" ]; then budget=(--steps "$STEPS"); fi
train "${budget[@]}" --rate "${RATE:-0.15}" --out "$out" --init "$INIT" --stage finetune
