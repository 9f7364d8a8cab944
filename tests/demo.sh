#!/usr/bin/env bash
# From nothing to a running container, each step shown with its command. Leaves nothing behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(id -u)" -eq 0 ] || { echo "demo: containers need root here" >&2; exit 1; }

WORK=$(mktemp -d /var/tmp/tare-demo.XXXXXX)
export TARE_STORE=$WORK/store TARE_RUNTIME_ROOT=$WORK/run
registry=

clean_up() {
  local status=$?
  for id in $(tare ps -aq 2>/dev/null); do tare rm -f "$id" >/dev/null 2>&1 || true; done
  [ -z "$registry" ] || { kill "$registry" 2>/dev/null && wait "$registry" || true; }
  rm -rf --one-file-system "$WORK"
  [ $status -eq 0 ] || echo "demo: the last step failed with status $status" >&2
}
trap clean_up EXIT

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
show() {
  local word line='$'
  for word in "$@"; do [[ $word =~ ^[A-Za-z0-9_./:=@,-]+$ ]] && line+=" $word" || line+=" ${word@Q}"; done
  echo "${line//"$WORK"/.}"
  "$@"
}

say "An image of Debian's static busybox, as an OCI layout"
show python tests/support/make_busybox_image.py "$WORK/image" 1.0

say "Our registry, on a free port of loopback"
printf '$ tare-image serve --listen 127.0.0.1:0 --root ./registry &\n'
tare-image serve --listen 127.0.0.1:0 --root "$WORK/registry" --ready-file "$WORK/ready" &
registry=$!
until [ -s "$WORK/ready" ]; do kill -0 "$registry"; sleep 0.05; done
image=$(cat "$WORK/ready")/demo/busybox:1.0

say "Push the image there, look at it, and pull it into a store"
show tare-image push "oci:$WORK/image:1.0" "docker://$image"
show tare-image tags "docker://${image%:1.0}"
show tare-image pull "$image"
show tare-image ls

say "Unpack it to a bundle, and run that with the runtime alone"
show tare-image unpack "$image" "$WORK/bundle"
show ls "$WORK/bundle"
show tare-runtime plan --bundle "$WORK/bundle" | awk '/^\$|STAGE|clone|mount|pivot|exec / && n++ < 16'
printf '$ echo "..." | tare-runtime run --bundle ./bundle demo\n'
echo 'echo "pid $$ of host $(hostname), as $(id -un)"; exit 3' |
  tare-runtime run --bundle "$WORK/bundle" "demo-$$" || echo "(ended with $?)"

say "The same in one step, with limits"
show tare run --rm --memory 64m --cpus 0.5 --pids-limit 20 --hostname box -e WHO=world "$image" -- \
  sh -c 'echo "hello, $WHO"; hostname; ps'

say "In the background: a name, a log, a command inside, an exit status"
show tare run -d --name counter "$image" -- sh -c 'for i in 1 2 3; do echo $i; done; sleep 1000'
show tare exec counter -- ps
show tare ps
show tare logs counter
show tare rm -f counter
show tare ps -a

say "Done"
