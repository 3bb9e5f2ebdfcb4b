#!/usr/bin/env bash
# Goes on with LRPose-s on a CPU from what lrpose-siblings.sh leaves; every option is in lrpose-m.sh.
# From nothing, without an accelerator: litepose-export train lrpose-s without --init.
set -euo pipefail
export SIZE=s LEGS="${LEGS:-83:12:0.8:1 85:17:0.8:1 90:28:0.8:2:0.6}"
exec "$(dirname "$0")/lrpose-m.sh"
