#!/usr/bin/env bash
# LRPose-s: LRPose-m trained at the input of s, slimmed to s (steps/slim.py), then trained on: a short run
# and rounds of two runs each, which differ in their seeds and end in their mean. Between the second and the
# third a short run believes the labels more than the teacher, whose keypoints lie low; the last does so all
# along. INIT is a checkpoint or the float file of m; steps/rounds.sh says what else may be given. Run it
# again to continue from the last checkpoint.
set -euo pipefail
out=${OUT:-runs/lrpose-s} frozen="trunk.stem trunk.stage_4"
. "$(dirname "$0")/steps/rounds.sh"
# Of a batch, early and late: COCO, Stanford 40 and people without labels.
learn=$(mixed "0.6:0.35,0.35,0.3 1:0.6,0.2,0.2" "0.6:0.65,0.35 1:0.75,0.25")
settle=$(mixed "0.4:0.45,0.3,0.25 1:0.8,0.12,0.08" "0.4:0.6,0.4 1:0.87,0.13")
labels=$(mixed "1:0.96,0.02,0.02" "1:0.98,0.02")
onward=$(mixed "0.4:0.45,0.3,0.25 1:0.75,0.15,0.1" "0.4:0.6,0.4 1:0.83,0.17")
last=$(mixed "0.35:0.5,0.26,0.24 1:0.84,0.08,0.08" "0.35:0.66,0.34 1:0.91,0.09")
run wide lrpose-m "${INIT:-export/weights/lrpose-m.fp32.onnx}" "$learn" 1 503 1535 --height 256 --width 192
if [ ! -e "$out/slim.pt" ]; then
  python "$steps/slim.py" "$out/wide/last.pt" --from lrpose-m --to lrpose-s \
    --data "$DATA/coco/train.json" --out "$out/slim.pt"
fi
run slim lrpose-s "$out/slim.pt" "$learn" 1.5 504 1321
round lrpose-s 610 slim/last.pt "$learn" 1.5 2900 learned.pt
round lrpose-s 620 learned.pt "$settle" 1 1840 settled.pt
TEACHER_SHARE=0.3 run 630 lrpose-s "$out/settled.pt" "$labels" 0.6 630 558
mean settled.pt 630/last.pt 0.5 labels.pt
round lrpose-s 640 labels.pt "$onward" 1 2310 onward.pt
mean onward.pt labels.pt 0.2 further.pt
TEACHER_SHARE=0.36 round lrpose-s 650 further.pt "$last" 1 2250 ends.pt "${negatives[@]}"
mean ends.pt further.pt 0.4 last.pt
