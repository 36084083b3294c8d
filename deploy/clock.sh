#!/bin/sh
# A clock, for where there is no cron: deploy/clock.sh SECONDS [ARGUMENTS OF RETRAIN]
# Starts deploy/scheduled.sh now, and again SECONDS after it has ended. SIGTERM ends it, and retraining tidily.
set -u
[ $# -ge 1 ] || { echo "clock.sh: say deploy/clock.sh SECONDS [ARGUMENTS]" >&2; exit 1; }
every=$1
shift
child=
trap 'kill -TERM $child 2>/dev/null; wait $child; exit 0' TERM INT
while :; do
  "$(dirname "$0")/scheduled.sh" "$@" &
  child=$!
  wait $child
  sleep "$every" &
  child=$!
  wait $child
done
