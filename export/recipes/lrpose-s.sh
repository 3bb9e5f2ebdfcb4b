#!/usr/bin/env bash
# LRPose-s: LRPose-m trained at the input of s, slimmed to s (steps/slim.py), then trained on: a short run
# and rounds of two runs each, which differ in their seeds and end in their mean. Between the second and the
# third a short run believes the labels more than the teacher, whose keypoints lie low; the last does so all
# along. DATA and PEERS name the folders of the photographs and of the teachers, INIT is a checkpoint or the
# float file of m. MORE is a folder of photographs whose people nobody labelled, with people.json beside them
# (steps/people_without_keypoints.py); without it only labelled ones are seen. NEGATIVES is a file of
# steps/hard_negatives.py, for the last round. One core each: THREADS gives a run more. Run it again to
# continue from the last checkpoint.
set -euo pipefail
: "${DATA:?folder with coco/ and stanford40/}" "${PEERS:?folder with pose/}"
out=${OUT:-runs/lrpose-s}
steps="$(dirname "$0")/steps"
# Memory that PyTorch frees stays with the process: otherwise every step faults its pages anew.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184
data=(--data "$DATA/coco/train.json" --data-name "COCO val2017 (part) and train2017 (118 photographs)"
  --data "$DATA/stanford40/train.json" --data-name "Stanford 40 Actions (part)")
# Of a batch, early and late: COCO, Stanford 40 and people without labels.
learn="0.6:0.35,0.35,0.3 1:0.6,0.2,0.2" settle="0.4:0.45,0.3,0.25 1:0.8,0.12,0.08" labels="1:0.96,0.02,0.02"
  onward="0.4:0.45,0.3,0.25 1:0.75,0.15,0.1" last="0.35:0.5,0.26,0.24 1:0.84,0.08,0.08"
if [ -n "${MORE:-}" ]; then
  data+=(--data "$MORE/people.json" --data-name "${MORE_NAME:-photographs without labels}"
    --images "$DATA/coco/images" --images "$DATA/stanford40/images" --images "$MORE")
else
  learn="0.6:0.65,0.35 1:0.75,0.25" settle="0.4:0.6,0.4 1:0.87,0.13" labels="1:0.98,0.02"
  onward="0.4:0.6,0.4 1:0.83,0.17" last="0.35:0.66,0.34 1:0.91,0.09"
fi
targets=
run() { # folder, network, start, mix, rate, seed, steps, further options
  local folder=$out/$1 network=$2 init=$3 mix=$4 rate=$5 seed=$6 count=$7
  shift 7
  mkdir -p "$folder"
  # The teachers' outputs are the same for all runs: computed once.
  if [ -n "$targets" ] && [ ! -e "$folder/distillation_targets.npz" ]; then
    ln "$targets" "$folder/"
  fi
  local shares=()
  for share in $mix; do shares+=(--mix "$share"); done
  litepose-export train "$network" --stage finetune --augmentation weak --init "$init" "${data[@]}" \
    --licence Apache-2.0 "${shares[@]}" --dev "$DATA/coco/dev.json" \
    --teacher "$PEERS/pose/pptinypose_256x192/model.xml" \
    --teacher "$PEERS/pose/ultralight_simplepose_256x192.onnx" \
    --freeze trunk.stem --freeze trunk.stage_4 \
    --loss rce-residual-place --teacher-share "${TEACHER_SHARE:-0.6}" \
    --rate "$rate" --threads "${THREADS:-1}" --checkpoint-minutes 10 \
    --seed "$seed" --steps "$count" --out "$folder" "$@"
  targets=$folder/distillation_targets.npz
}
mean() { # folder or file, another, part of that, mean
  python "$steps/average.py" "$out/$1" "$out/$2" --part "$3" --out "$out/$4"
}
round() { # seed, start, mix, rate, steps, mean, further options
  local seed=$1 init=$2 mix=$3 rate=$4 count=$5 end=$6
  shift 6
  for each in "$seed" $((seed + 1)); do run "$each" lrpose-s "$out/$init" "$mix" "$rate" "$each" "$count" "$@"; done
  mean "$seed/last.pt" "$((seed + 1))/last.pt" 0.5 "$end"
}
run wide lrpose-m "${INIT:-export/weights/lrpose-m.fp32.onnx}" "$learn" 1 503 1535 --height 256 --width 192
if [ ! -e "$out/slim.pt" ]; then
  python "$steps/slim.py" "$out/wide/last.pt" --from lrpose-m --to lrpose-s \
    --data "$DATA/coco/train.json" --out "$out/slim.pt"
fi
run slim lrpose-s "$out/slim.pt" "$learn" 1.5 504 1321
round 610 slim/last.pt "$learn" 1.5 2900 learned.pt
round 620 learned.pt "$settle" 1 1840 settled.pt
TEACHER_SHARE=0.3 run 630 lrpose-s "$out/settled.pt" "$labels" 0.6 630 558
mean settled.pt 630/last.pt 0.5 labels.pt
round 640 labels.pt "$onward" 1 2310 onward.pt
mean onward.pt labels.pt 0.2 further.pt
negatives=()
if [ -n "${NEGATIVES:-}" ]; then negatives=(--negatives "$NEGATIVES"); fi
TEACHER_SHARE=0.36 round 650 further.pt "$last" 1 2250 ends.pt "${negatives[@]}"
mean ends.pt further.pt 0.4 last.pt
