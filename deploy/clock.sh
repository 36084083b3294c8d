#!/bin/sh
# A clock, for where there is no cron: deploy/clock.sh SECONDS [ARGUMENTS OF RETRAIN]
# Starts deploy/scheduled.sh now, and again SECONDS after it has ended. SIGTERM ends it, and retraining tidily.
set -u
[ $# -ge 1 ] || { echo "clock.sh: say deploy/clock.sh SECONDS [ARGUMENTS]" >&2; exit 1; }
every=$1
shift
child=
end() { # the whole group: the script, and retraining below it, which takes its time
  kill -s TERM -- "-$child" 2>/dev/null
  wait "$child"
  while kill -s 0 -- "-$child" 2>/dev/null; do sleep 0.2; done
  exit 0
}
trap end TERM INT
while :; do
  setsid "$(dirname "$0")/scheduled.sh" "$@" &
  child=$!
  wait "$child"
  setsid sleep "$every" &
  child=$!
  wait "$child"
done
