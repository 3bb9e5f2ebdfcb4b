#!/usr/bin/env bash
# LRPose-s: continues on a CPU from what steps/multi-size.sh leaves; every option is in steps/stages.sh.
# From scratch, without an accelerator: litepose-export train lrpose-s without --init.
set -euo pipefail
# Seed, minutes, rate, threads and part of each stage.
export SIZE=s STAGES="${STAGES:-83:12:0.8:1 85:17:0.8:1 90:28:0.8:2:0.6}"
steps="$(dirname "$0")/steps"
out=${OUT:-runs/lrpose-s}
OUT=$out/before "$steps/stages.sh"
INIT=$out/before/last.pt OUT=$out exec "$steps/more-people.sh"
