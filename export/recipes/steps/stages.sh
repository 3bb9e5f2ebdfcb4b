#!/usr/bin/env bash
# Continues one LRPose on a CPU in stages of fine-tuning, each from where the one before ends; lrpose-m.sh
# calls it with its SIZE and STAGES. INIT is a checkpoint: what multi-size.sh leaves
# unless given. DATA and PEERS name the folders of the photographs and of the teachers. Run it again to
# continue from the last checkpoint. A stage with a part ends in the mean of where it began and where
# it came to, so much of it the latter.
set -euo pipefail
: "${DATA:?folder with coco/ and lspet/}" "${PEERS:?folder with pose/}"
: "${SIZE:?s or m}" "${STAGES:?seed:minutes:rate:threads[:part] of each stage}"
out=${OUT:-runs/lrpose-$SIZE}
read -ra stages <<< "$STAGES"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
init=${INIT:-runs/lrpose/lrpose-$SIZE.pt}
for number in "${!stages[@]}"; do
  IFS=: read -r seed minutes rate threads part <<< "${stages[$number]}"
  stage=$out/stage-$((number + 1))
  mkdir -p "$stage"
  # The teachers' outputs are the same for every stage: computed once.
  if [ "$number" -gt 0 ] && [ ! -e "$stage/distillation_targets.npz" ]; then
    ln "$out/stage-$number/distillation_targets.npz" "$stage/"
  fi
  # The first layers, which see edges and limbs, stay as they are: that makes a step faster.
  litepose-export train "lrpose-$SIZE" --stage finetune --init "$init" \
    --data "$DATA/coco/train.json" \
    --data-name "COCO val2017 (part) and train2017 (118 photographs)" --licence Apache-2.0 \
    --data "$DATA/lspet/train.json" \
    --data-name "Leeds Sports Pose Extended (part)" \
    --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
    --freeze trunk.stem --freeze trunk.stage_4 \
    --loss "${LOSS:-rce-residual-place}" --teacher-share "${TEACHER_SHARE:-0.6}" \
    --rate "$rate" --threads "$threads" --seed "$seed" --minutes "$minutes" --out "$stage"
  if [ -n "$part" ]; then
    python "$(dirname "$0")/average.py" "$init" "$stage/last.pt" --part "$part" --out "$stage/mean.pt"
    init=$stage/mean.pt
  else
    init=$stage/last.pt
  fi
done
ln -f "$init" "$out/last.pt"
