#!/usr/bin/env bash
# Continues one LRPose on a CPU with the people of Stanford 40 beside COCO's, in two runs of weak augmentation,
# the second from the end of the first; their mean is the result. lrpose-s.sh calls it. SIZE, INIT (a
# checkpoint or float file) and OUT; DATA and PEERS name the folders of the photographs and of the teachers.
# Run it again to continue from the last checkpoint.
set -euo pipefail
: "${DATA:?folder with coco/ and stanford40/}" "${PEERS:?folder with pose/}"
: "${SIZE:?s, m or n}" "${INIT:?checkpoint or float file}" "${OUT:?folder}"
# Seed and steps of both runs.
read -ra runs <<< "${RUNS:-85:2600 322:2000}"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
init=$INIT ends=()
for number in "${!runs[@]}"; do
  IFS=: read -r seed steps <<< "${runs[$number]}"
  run=$OUT/more-people-$((number + 1))
  mkdir -p "$run"
  # The teachers' outputs are the same for both: computed once.
  if [ "$number" -gt 0 ] && [ ! -e "$run/distillation_targets.npz" ]; then
    ln "$OUT/more-people-$number/distillation_targets.npz" "$run/"
  fi
  litepose-export train "lrpose-$SIZE" --stage finetune --augmentation weak --init "$init" \
    --data "$DATA/coco/train.json" \
    --data-name "COCO val2017 (part) and train2017 (118 photographs)" --licence Apache-2.0 \
    --data "$DATA/stanford40/train.json" --data-name "Stanford 40 Actions (part)" \
    --mix 0.5:0.65,0.35 --mix 1:0.85,0.15 --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
    --freeze trunk.stem --freeze trunk.stage_4 \
    --loss rce-residual-place --teacher-share 0.6 \
    --rate "${RATE:-0.8}" --threads "${THREADS:-1}" --checkpoint-minutes 8 \
    --seed "$seed" --steps "$steps" --out "$run"
  init=$run/last.pt
  ends+=("$init")
done
python "$(dirname "$0")/average.py" "${ends[0]}" "${ends[1]}" --part 0.5 --out "$OUT/last.pt"
