#!/usr/bin/env bash
# LRPose-m: continues on a CPU from what steps/multi-size.sh leaves; every option is in steps/stages.sh.
set -euo pipefail
# Seed, minutes, rate, threads and part of each stage.
export SIZE=m STAGES="${STAGES:-84:14:0.8:1 86:16:0.8:1 88:55:1.0:2 92:34:0.7:2:0.6 94:28:0.7:2:0.6}"
exec "$(dirname "$0")/steps/stages.sh"
