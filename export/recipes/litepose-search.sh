#!/usr/bin/env bash
# LitePose's search as published, mended: largest network first, then smaller ones, evolution, fine-tuning; last, the found
# network beside random and scaled ones of equal cost. DATA as in docs/guides/train.md; a night of two cores at 128x128.
#
#   DATA=photos BUDGET=12 MINUTES=180 SEED=0 export/recipes/litepose-search.sh
set -euo pipefail
: "${DATA:?folder with coco/train.json and coco/dev.json}" "${BUDGET:?milliseconds on one thread in INT8}"
SPACE=${SPACE:-litepose} SIZE=${SIZE:-128x128} SEED=${SEED:-0} STEPS=${STEPS:-6000}
OUT=${OUT:-runs/search-$SPACE-$SEED}
FILES=(--data "$DATA/coco/train.json" --dev "$DATA/coco/dev.json")
SUPERNET=()
if [ "$SPACE" != efficientpose ]; then
  SUPERNET=(--sandwich --distil --gradual-shrinking --rank "${RANK:-0}")
fi

litepose-export search "$SPACE" "${FILES[@]}" --out "$OUT/found" --cost int8-latency --budget "$BUDGET" \
  --minutes "${MINUTES:-180}" --input-size "$SIZE" --seed "$SEED" --workers 2 "${SUPERNET[@]}"
litepose-export train "$OUT/found/network.json" --init "$OUT/found/network.pt" "${FILES[@]}" \
  --out "$OUT/tuned" --steps "$STEPS" --seed "$SEED"
python export/recipes/steps/compare_found.py "$OUT/found" "${FILES[@]}" --steps "$STEPS" \
  --seed "$SEED" --threads 2 --out "$OUT/compared"
