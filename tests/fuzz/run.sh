#!/usr/bin/env bash
# Runs every fuzz target: tests/fuzz/NAME/build.sh makes the program, tests/fuzz/NAME/seeds/ holds its first inputs.
#
#   FUZZ_SECONDS=120 tests/fuzz/run.sh [NAME…]
#
# build.sh is given one argument, the file to make: an executable that takes libFuzzer's options
# (-max_total_time=S, -artifact_prefix=DIR/) and corpus folders. What breaks a target is kept in
# build/fuzz/NAME/; a case worth keeping becomes a seed, so that the smoke run repeats it for ever.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
SECONDS_EACH=${FUZZ_SECONDS:-120}

failed=0
for script in tests/fuzz/*/build.sh; do
  [ -e "$script" ] || continue
  folder=$(dirname "$script")
  name=$(basename "$folder")
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  out=$PWD/build/fuzz/$name
  mkdir -p "$out/corpus"
  bash "$script" "$out/target"
  echo "fuzz: $name: $SECONDS_EACH s"
  if "$out/target" -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
    -artifact_prefix="$out/" "$out/corpus" $([ -d "$folder/seeds" ] && echo "$folder/seeds") 2>"$out/log"; then
    echo "fuzz: $name: ok"
  else
    echo "fuzz: $name: failed; the input and the log are in $out" >&2
    tail -40 "$out/log" >&2
    failed=1
  fi
done
exit $failed
