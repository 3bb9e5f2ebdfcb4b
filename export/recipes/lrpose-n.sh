#!/usr/bin/env bash
# LRPose-n: LRPose-s slimmed to n (steps/slim.py), then trained on: at rates near those of a run from scratch,
# for much of what was inside the blocks is gone, then at lower ones; runs that differ in their seeds end in
# their mean. INIT is a checkpoint or the float file of s; steps/rounds.sh says what else may be
# given. Run it again to continue from the last checkpoint.
set -euo pipefail
out=${OUT:-runs/lrpose-n} frozen=trunk.stem
. "$(dirname "$0")/steps/rounds.sh"
# Of a batch, early and late: COCO, Stanford 40 and people without labels.
learn=$(mixed "0.5:0.45,0.3,0.25 1:0.75,0.15,0.1" "0.5:0.6,0.4 1:0.83,0.17")
last=$(mixed "0.3:0.5,0.26,0.24 1:0.84,0.08,0.08" "0.3:0.66,0.34 1:0.91,0.09")
mkdir -p "$out"
if [ ! -e "$out/slim.pt" ]; then
  python "$steps/slim.py" "${INIT:-litepose_edge/models/lrpose-s.fp32.onnx}" --from lrpose-s --to lrpose-n \
    --data "$DATA/coco/train.json" --out "$out/slim.pt"
fi
TEACHER_SHARE=0.5 run 701 lrpose-n "$out/slim.pt" "$learn" 6 701 841 "${negatives[@]}"
TEACHER_SHARE=0.5 run 711 lrpose-n "$out/701/last.pt" "$learn" 4 711 3259 "${negatives[@]}"
TEACHER_SHARE=0.5 run 712 lrpose-n "$out/701/last.pt" "$learn" 4 712 3232 "${negatives[@]}"
mean 711/last.pt 712/last.pt 0.3 regained.pt
# From here on the first layers, which see edges and limbs, stay as they are: that makes a step faster.
frozen="trunk.stem trunk.stage_4"
TEACHER_SHARE=0.45 run 720 lrpose-n "$out/regained.pt" "$learn" 4 720 6917 "${negatives[@]}"
for seed in 730 731; do
  TEACHER_SHARE=0.36 run $seed lrpose-n "$out/720/last.pt" "$last" 1.8 $seed 4245 "${negatives[@]}"
done
mean 730/last.pt 731/last.pt 0.625 ends.pt
mean ends.pt 720/last.pt 0.2 last.pt
