# Sourced by lrpose-s.sh and lrpose-n.sh: runs of LRPose on a CPU, rounds of two of them that differ in
# their seeds, and means of their ends. The recipe sets `out` and `frozen` and says what comes after what.
# DATA and PEERS name the folders of the photographs and of the teachers. MORE is a folder of photographs
# whose people nobody labelled, with people.json beside them (people_without_keypoints.py); without it only
# labelled ones are seen. NEGATIVES is a file of hard_negatives.py. One core each: THREADS gives a run more.
: "${DATA:?folder with coco/ and stanford40/}" "${PEERS:?folder with pose/}"
steps="$(dirname "${BASH_SOURCE[0]}")"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
data=(--data "$DATA/coco/train.json" --data-name "COCO val2017 (part) and train2017 (118 photographs)"
  --data "$DATA/stanford40/train.json" --data-name "Stanford 40 Actions (part)")
if [ -n "${MORE:-}" ]; then
  data+=(--data "$MORE/people.json" --data-name "${MORE_NAME:-photographs without labels}"
    --images "$DATA/coco/images" --images "$DATA/stanford40/images" --images "$MORE")
fi
negatives=()
if [ -n "${NEGATIVES:-}" ]; then negatives=(--negatives "$NEGATIVES"); fi
targets=
mixed() { # share with people without labels, share of labelled ones alone: the one that fits the data
  if [ -n "${MORE:-}" ]; then echo "$1"; else echo "$2"; fi
}
run() { # folder, network, start, mix, rate, seed, steps, further options
  local folder=$out/$1 network=$2 init=$3 mix=$4 rate=$5 seed=$6 count=$7
  shift 7
  mkdir -p "$folder"
  # The teachers' outputs are the same for all runs: computed once.
  if [ -n "$targets" ] && [ ! -e "$folder/distillation_targets.npz" ]; then
    ln "$targets" "$folder/"
  fi
  local options=()
  for share in $mix; do options+=(--mix "$share"); done
  for module in $frozen; do options+=(--freeze "$module"); done
  litepose-export train "$network" --stage finetune --augmentation weak --init "$init" "${data[@]}" \
    --licence Apache-2.0 "${options[@]}" --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
    --loss rce-residual-place --teacher-share "${TEACHER_SHARE:-0.6}" \
    --rate "$rate" --threads "${THREADS:-1}" --checkpoint-minutes 10 \
    --seed "$seed" --steps "$count" --out "$folder" "$@"
  targets=$folder/distillation_targets.npz
}
mean() { # folder or file, another, part of that, mean
  python "$steps/average.py" "$out/$1" "$out/$2" --part "$3" --out "$out/$4"
}
round() { # network, seed, start, mix, rate, steps, mean, further options
  local network=$1 seed=$2 init=$3 mix=$4 rate=$5 count=$6 end=$7
  shift 7
  for each in "$seed" $((seed + 1)); do run "$each" "$network" "$out/$init" "$mix" "$rate" "$each" "$count" "$@"; done
  mean "$seed/last.pt" "$((seed + 1))/last.pt" 0.5 "$end"
}
