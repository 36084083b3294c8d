#!/bin/sh
# What every clock starts: `reprolens retrain ARGUMENTS` in this repository.
# Ends with 0 unless a person has to look: with 13 if the new data was refused, with retrain's own code if it failed.
set -u
cd "$(dirname "$0")/.." || exit 1

.venv/bin/reprolens retrain "$@"
code=$?
case $code in
  0) echo "scheduled.sh: nothing to do" ;;
  10) echo "scheduled.sh: promoted" ;;
  11) echo "scheduled.sh: kept the champion" ;;
  12) echo "scheduled.sh: another retrain is at work" ;;
  13) echo "scheduled.sh: the new data was refused: reports/retrain/summary.md says why" >&2 ;;
  *) echo "scheduled.sh: failed with exit code $code; the champion is what it was, and the next call goes on" >&2 ;;
esac
case $code in 10 | 11 | 12) exit 0 ;; esac
exit "$code"
