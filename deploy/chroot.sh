#!/usr/bin/env bash
# The Dockerfile without Docker: its steps, as they are written there, in a clean Debian made by debootstrap.
#   deploy/chroot.sh build FOLDER              as `docker build`: FOLDER becomes the image
#   deploy/chroot.sh run FOLDER [COMMAND...]   as `docker run`: COMMAND or the Dockerfile's CMD; what it writes stays
# Needs root, debootstrap and unshare. In place of the python image stands Debian DEBIAN_SUITE (bookworm) with its own
# Python, from DEBIAN_MIRROR. Of the caller's environment only what leads to a package index is seen inside: PASSED.
set -euo pipefail

PASSED=(HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy PIP_INDEX_URL PIP_CERT PIP_DEFAULT_TIMEOUT
  UV_DEFAULT_INDEX UV_INDEX_URL SSL_CERT_FILE REQUESTS_CA_BUNDLE)
AUTHORITIES=/usr/local/share/ca-certificates

die() {
  echo "chroot.sh: $1" >&2
  exit 1
}

main() {
  repository=$(cd "$(dirname "$0")/.." && pwd)
  [ $# -ge 2 ] || die "say \`deploy/chroot.sh build FOLDER\` or \`deploy/chroot.sh run FOLDER [COMMAND...]\`"
  what=$1 root=$(realpath -m "$2")
  shift 2
  [ "$(id -u)" = 0 ] || die "only root can mount and chroot"
  # Mounts are made in a namespace of this script's own, so they are gone when it ends, however it ends.
  [ -n "${CHROOT_SH_INSIDE:-}" ] ||
    CHROOT_SH_INSIDE=1 exec unshare --mount --pid --fork --kill-child "$0" "$what" "$root" "$@"
  user=root workdir=/ command=()
  environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
  case $what in
    build) build ;;
    run) run "$@" ;;
    *) die "unknown command $what: there are build and run" ;;
  esac
}

build() {
  [ ! -e "$root" ] || die "$root is there already: remove it, or name another folder"
  follow_steps
  touch "$root/.built"
}

run() {
  [ -e "$root/.built" ] || die "$root is no finished image: \`deploy/chroot.sh build $root\` makes one"
  mount_devices
  follow_steps # for USER, WORKDIR, ENV and CMD: the others are done
  [ $# -gt 0 ] || set -- "${command[@]}"
  inside "$@"
}

follow_steps() {
  local line keyword rest
  while IFS= read -r line <&3; do
    keyword=${line%% *} rest=${line#* }
    [ "$what" = run ] || echo "==> $line"
    case $keyword in
      FROM | RUN | COPY) [ "$what" = run ] || "step_$keyword" "$rest" ;;
      ENV | USER | WORKDIR | CMD) "step_$keyword" "$rest" ;;
      *) die "Dockerfile: unknown step $keyword: teach it to deploy/chroot.sh" ;;
    esac
  done 3< <(steps "$repository/Dockerfile")
}

steps() { # one a line: comments dropped, continued lines joined
  sed -E '/^[[:space:]]*(#|$)/d' "$1" | sed -e ':more' -e '/\\$/{N;s/[[:space:]]*\\\n[[:space:]]*/ /;bmore' -e '}'
}

step_FROM() {
  case $1 in
    python:3.1[1-3]-slim) ;;
    *) die "Dockerfile: FROM $1: only python:3.11-slim to python:3.13-slim have a Debian that stands for them" ;;
  esac
  command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv \
    "${DEBIAN_SUITE:-bookworm}" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  mount_devices
  if compgen -G "$AUTHORITIES/*.crt" >/dev/null; then # those that the host trusts besides Debian's
    cp "$AUTHORITIES"/*.crt "$root$AUTHORITIES/"
    inside update-ca-certificates
  fi
}

step_RUN() { inside /bin/sh -c "$1"; }

step_COPY() { # [--chown=USER] SOURCE... TARGET, without what .dockerignore names
  local words owner=root target source depth
  cd "$repository"
  # Patterns such as requirements*.lock become names here.
  # shellcheck disable=SC2206
  words=($1)
  if [[ ${words[0]} == --chown=* ]]; then owner=${words[0]#--chown=} words=("${words[@]:1}"); fi
  target=${words[-1]}
  [[ $target == /* ]] || target=$workdir/$target
  read -r owner group _ < <(identity "$owner")
  [ -d "$root$target" ] || install -d -o "$owner" -g "$group" "$root$target"
  for source in "${words[@]:0:${#words[@]}-1}"; do
    if [ -d "$source" ] && [ "$source" != . ]; then depth=2; else depth=1; fi
    [ "$source" = . ] || source=./$source
    tar -c "${left_out[@]}" --numeric-owner --owner="$owner" --group="$group" "$source" |
      tar -x -p --numeric-owner --strip-components=$depth -C "$root$target"
  done
}

step_ENV() { # NAME=VALUE, where VALUE may hold $PATH
  local path
  path=$(printf '%s\n' "${environment[@]}" | sed -n 's/^PATH=//p' | tail -n 1)
  environment+=("${1//\$PATH/$path}")
}

step_USER() { user=$1; }

step_WORKDIR() {
  workdir=$1
  mkdir -p "$root$workdir" # root's, as Docker's classic builder makes it
}

step_CMD() { mapfile -t command < <(python3 -c 'import json, sys; print(*json.loads(sys.argv[1]), sep="\n")' "$1"); }

identity() { # of a user inside: its number, its group's, its home
  awk -F: -v name="$1" '$1 == name { print $3, $4, $6; found = 1 } END { exit !found }' "$root/etc/passwd" ||
    die "Dockerfile: there is no user $1 inside"
}

inside() { # runs a command as the user of the moment, in the WORKDIR, with the environment of the image
  local number group home
  read -r number group home < <(identity "$user")
  # shellcheck disable=SC2016
  chroot --userspec="$number:$group" --groups="$group" "$root" /usr/bin/env -i HOME="$home" "${environment[@]}" \
    "${passed[@]}" /bin/sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
}

mount_devices() {
  local device
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir -m 1777 "$root/dev/shm"
  mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
  ln -s /proc/self/fd "$root/dev/fd"
}

passed=()
for name in "${PASSED[@]}"; do
  [ -z "${!name:-}" ] || passed+=("$name=${!name}")
done

left_out=()
while IFS= read -r pattern; do
  case $pattern in
    "" | \#*) ;;
    !*) die ".dockerignore: $pattern: exceptions are not understood here" ;;
    \*\*/*) left_out+=(--no-anchored "--exclude=${pattern#\*\*/}") ;;
    *) left_out+=(--anchored "--exclude=./$pattern") ;;
  esac
done <"$(dirname "$0")/../.dockerignore"

main "$@"
