#!/bin/sh
# A workspace that stays while images come and go: deploy/workspace.sh FOLDER
# The first call makes FOLDER a clone of the repository this script lies in, which lends it its packages. A later call
# changes something only if this repository is at another commit: then FOLDER is brought to it. So dvc.lock, runs,
# checkpoints and DVC's cache stay from one retraining to the next.
set -eu
[ $# -eq 1 ] || { echo "workspace.sh: say deploy/workspace.sh FOLDER" >&2; exit 1; }
image=$(cd "$(dirname "$0")/.." && pwd)
commit=$(git -C "$image" rev-parse HEAD)
mkdir -p "$1"
cd "$1"
[ -d .git ] || git init -q -b main
brought=$(git rev-parse -q --verify refs/reprolens/image || true)
[ "$brought" != "$commit" ] || exit 0

if [ -n "$brought" ] && [ "$(git rev-parse HEAD)" != "$brought" ]; then
  echo "workspace.sh: $1 has commits of its own, which the new image lacks: push them, build the image from them, and" \
    "\`git reset --hard $brought\` there" >&2
  exit 1
fi
git fetch -q --update-shallow "$image" HEAD
git reset -q --hard FETCH_HEAD
echo /.venv >.git/info/exclude
ln -sfn "$image/.venv" .venv
git update-ref refs/reprolens/image "$commit"
echo "workspace.sh: $1 is at $commit"
