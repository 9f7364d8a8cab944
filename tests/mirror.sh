# Sourced by scripts that make a root filesystem: prints where this machine takes Debian's packages from.

mirror() {
  local found
  found=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' \
    /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null) || true
  set -- $found
  echo "${1:-http://deb.debian.org/debian}"
}
