#!/usr/bin/env bash
# usage: build.sh FILE    the tar reader, with clang's fuzzer and sanitizers
set -eu
cd "$(dirname "$0")/../../.."
exec clang -std=gnu11 -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  -Iimagetools/csrc/layer -o "$1" tests/fuzz/tar/fuzz_tar.c imagetools/csrc/layer/tar_*.c
