#!/usr/bin/env bash
# usage: build.sh FILE    the decoder of op records, with clang's fuzzer and sanitizers
set -eu
cd "$(dirname "$0")/../../.."
exec clang -std=gnu11 -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  -Iruntime/csrc -o "$1" tests/fuzz/record/target.c runtime/csrc/record/record.c runtime/csrc/init/bytes.c
