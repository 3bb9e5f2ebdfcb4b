#!/usr/bin/env bash
# Goes on with LRPose-s on a CPU from what lrpose-siblings.sh leaves; every option is in lrpose-m.sh.
# From nothing, without an accelerator: litepose-export train lrpose-s without --init.
set -euo pipefail
export SIZE=s SEED="${SEED:-83}" SECOND_SEED="${SECOND_SEED:-85}"
export MINUTES="${MINUTES:-12}" SECOND_MINUTES="${SECOND_MINUTES:-17}"
exec "$(dirname "$0")/lrpose-m.sh"
