#!/usr/bin/env bash
# Runs `./dev demo` and `./dev test` in a bare Debian 12 made for it: are the install steps complete?
#
#   ./dev fresh [COMMAND…]      instead of "./dev demo && ./dev test", run something else in there
#
# Nothing of this machine is in that root but its kernel, its cgroups, and the way to its package mirrors: apt
# sources, resolv.conf, pip's configuration and the certificates they need. The bare root is kept as a tarball
# under $XDG_CACHE_HOME/tare, so that a second run fetches only what ./dev itself installs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/mirror.sh
[ "$(id -u)" -eq 0 ] || { echo "fresh: only root can make a root filesystem" >&2; exit 1; }

SUITE=bookworm
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/tare
BASE=$CACHE/$SUITE.tar
FRESH=$(mktemp -d /var/tmp/tare-fresh.XXXXXX)
CA_BUNDLE=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

clean_up() {
  # All mounts were made in a namespace that is gone by now; whatever is still mounted here is not ours to cross.
  rm -rf --one-file-system "$FRESH"
}
trap clean_up EXIT

make_base() {
  [ -s "$BASE" ] && return
  echo "fresh: debootstrap $SUITE from $(mirror)"
  mkdir -p "$CACHE"
  debootstrap --variant=minbase --include=ca-certificates "$SUITE" "$FRESH/base" "$(mirror)" >"$FRESH/debootstrap.log" ||
    { tail -20 "$FRESH/debootstrap.log" >&2; exit 1; }
  rm -rf "$FRESH"/base/var/cache/apt/archives/*.deb
  tar -C "$FRESH/base" -cf "$BASE.new" .
  mv "$BASE.new" "$BASE"
  rm -rf "$FRESH/base"
}

# The way to the mirrors, and nothing else.
give_access() {
  local root=$1
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  cp "$CA_BUNDLE" "$root/etc/mirror-ca.crt"
  rm -f "$root/etc/apt/sources.list"
  cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/" 2>/dev/null ||
    cp /etc/apt/sources.list "$root/etc/apt/sources.list"
  cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
  [ ! -f /etc/pip.conf ] || sed "s|^cert *=.*|cert = /etc/mirror-ca.crt|" /etc/pip.conf >"$root/etc/pip.conf"
  [ -z "${PIP_FIND_LINKS:-}" ] || [ ! -d "$PIP_FIND_LINKS" ] ||
    { mkdir -p "$root$PIP_FIND_LINKS" && cp -r "$PIP_FIND_LINKS/." "$root$PIP_FIND_LINKS/"; }
}

environment() {
  echo PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
    PIP_CERT=/etc/mirror-ca.crt SSL_CERT_FILE=/etc/mirror-ca.crt REQUESTS_CA_BUNDLE=/etc/mirror-ca.crt
  env | grep -E '^(PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|TRUSTED_HOST|DEFAULT_TIMEOUT)|(https?|no)_proxy|(HTTPS?|NO)_PROXY)=' || true
}

make_base
mkdir "$FRESH/root"
tar -C "$FRESH/root" -xf "$BASE"
give_access "$FRESH/root"
git clone -q --no-hardlinks . "$FRESH/root/src"
[ -z "$(git status --porcelain -uno)" ] || echo "fresh: note: HEAD is tested, not what is uncommitted"

cat >"$FRESH/root/enter.sh" <<'TEXT'
set -e
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
mount --make-rshared /  # as systemd leaves it: dockerd looks, and behaves otherwise where it is not
cd /src
exec "$@"
TEXT
# A pid namespace of its own: what is left running ends with it. The shell stays, behind the command, as its first
# process: a test that has taken its place would be given all orphans.
COMMAND="${*:-./dev demo && ./dev test}"
echo "fresh: $COMMAND"
# shellcheck disable=SC2046  # one word per variable
env -i $(environment) unshare --mount --pid --fork --kill-child \
  sh "$FRESH/root/enter.sh" "$FRESH/root" bash -ec "$COMMAND
exit \$?"
echo "fresh: ok"
