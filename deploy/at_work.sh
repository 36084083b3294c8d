#!/bin/sh
# Runs a command in a workspace that stays while images come and go: deploy/at_work.sh FOLDER COMMAND...
set -eu
[ $# -ge 2 ] || { echo "at_work.sh: say deploy/at_work.sh FOLDER COMMAND..." >&2; exit 1; }
"$(dirname "$0")/workspace.sh" "$1"
cd "$1"
shift
exec "$@"
