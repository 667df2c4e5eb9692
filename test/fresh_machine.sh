#!/usr/bin/env bash
# Runs the README's two commands on a bare Debian 12: debootstrap's minbase with
# git and certificates in a temporary folder, HEAD cloned into it, and of this
# machine only its settings of apt and pip (mirrors, certificates, resolver).
# A machine that was worked on hides a missing package; this one has none.
#   test/fresh_machine.sh         the quickstart with 20 steps, a handful of tests
#   test/fresh_machine.sh --all   every test
#   STEPS=200 test/fresh_machine.sh
# Needs root (mounts of its own namespace), debootstrap, 12 GB below TMPDIR.
# Leaves nothing behind, whatever signal ends it but SIGKILL; ends with 0 only
# where both commands did.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=(-R '^(lit|gradients|execute-ranks|execute-determinism)$')
case ${1:-} in
"") ;;
--all) tests=() ;;
*)
  echo "fresh_machine: unknown argument '$1', expected --all or nothing" >&2
  exit 2
  ;;
esac
if ((EUID != 0)); then
  echo "fresh_machine: needs root, for debootstrap and mounts: run it with sudo" >&2
  exit 1
fi
command -v debootstrap >/dev/null || {
  echo "fresh_machine: debootstrap is missing: apt-get install debootstrap" >&2
  exit 1
}

machine=$(mktemp -d "${TMPDIR:-/tmp}/fresh-machine.XXXXXX")
child=
# Mounts end with the namespace they are made in, before anything is removed.
finish() {
  if [[ -n $child ]]; then
    kill -KILL "$child" || true
    wait "$child" || true
  fi 2>/dev/null
  rm -rf --one-file-system "$machine" "$machine.log"
}
trap finish EXIT
for signal in INT TERM HUP; do
  # shellcheck disable=SC2064 # the number of this signal
  trap "exit $((128 + $(kill -l $signal)))" $signal
done

say() { echo "[fresh machine] $*"; }
timed() {
  local name=$1 start=$SECONDS
  shift
  "$@"
  say "$name: $((SECONDS - start)) s"
}

# apart COMMAND...: with mounts and processes of its own, which end with it. In
# the background, as bash handles a signal only between two commands, or in wait.
apart() {
  unshare --mount --pid --fork --kill-child "$@" &
  child=$!
  local status=0
  wait "$child" || status=$?
  child=
  return "$status"
}

mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null |
  sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) bookworm .*/\2/p' | head -n 1) || true
bootstrap() {
  apart debootstrap --variant=minbase --include=git,ca-certificates bookworm \
    "$machine" "${mirror:-http://deb.debian.org/debian}" >"$machine.log" 2>&1 || {
    tail -n 20 "$machine.log" >&2
    echo "fresh_machine: debootstrap failed" >&2
    exit 1
  }
}

# Settings of this machine, none of its packages.
copy_settings() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources \
    /etc/apt/apt.conf.d/. /etc/pip.conf /etc/resolv.conf /etc/hosts \
    /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates/.; do
    [[ -e $file ]] || continue
    mkdir -p "$machine/${file%/*}"
    cp -a "$file" "$machine/${file%/*}/"
  done
  # Hooks of packages that a bare machine has not.
  rm -f "$machine"/etc/apt/apt.conf.d/*{packagekit,appstream,docker,debconf}*
  [[ -e /etc/apt/sources.list ]] || rm -f "$machine/etc/apt/sources.list"
  git clone --quiet --no-hardlinks . "$machine/srv/fsdp-opt"
}

settings=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/srv LANG=C.UTF-8 STEPS="${STEPS:-20}")
for name in "${!PIP_@}" http_proxy https_proxy no_proxy; do
  [[ -n ${!name:-} ]] && settings+=("$name=${!name}")
done
inside() {
  apart bash -c '
    set -e
    mount -t proc proc "$1/proc"
    mount -t sysfs -o ro sysfs "$1/sys"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/dev/shm"
    shift 1
    exec chroot "$@"' inside "$machine" "$machine" \
    env -i "${settings[@]}" bash -c 'cd /srv/fsdp-opt && exec "$@"' inside "$@"
}

timed "a bare Debian" bootstrap
copy_settings
timed "examples/quickstart.sh" inside examples/quickstart.sh
timed "test/run.sh ${tests[*]}" inside test/run.sh "${tests[@]}"
say "both commands pass; $(du -sm --one-file-system "$machine" | cut -f1) MB"
