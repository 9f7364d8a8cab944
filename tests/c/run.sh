#!/usr/bin/env bash
# Builds and runs the C tests under AddressSanitizer and UndefinedBehaviourSanitizer.
#
#   tests/c/run.sh [NAME…]      all, or those named (launcher → tests/c/launcher_test.c)
#
# A test is one file with a main() that returns 0 when all is well. Lines in its head say what else it is
# made of:   // sources: runtime/csrc/record/*.c        // flags: -lpthread
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT
FLAGS="-std=gnu11 -g -O1 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-parameter -fno-omit-frame-pointer
  -fsanitize=address,undefined -fno-sanitize-recover=all -Itests/c -Iruntime/csrc -Iimagetools/csrc"
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

head_line() { sed -n "1,20s|^// $1: *||p" "$2"; }

failed=0
for test in tests/c/*_test.c; do
  name=$(basename "$test" _test.c)
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  mkdir "$OUT/$name"
  # Unquoted on purpose: both lines hold several words, and sources may hold patterns.
  ${CC:-cc} $FLAGS -o "$OUT/$name/test" "$test" $(head_line sources "$test") $(head_line flags "$test")
  if (cd "$OUT/$name" && ./test); then
    echo "tests/c: $name: ok"
  else
    echo "tests/c: $name: failed" >&2
    failed=1
  fi
done
exit $failed
