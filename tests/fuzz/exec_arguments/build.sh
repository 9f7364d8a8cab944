#!/usr/bin/env bash
# The target is Python: its "program" starts it, and it takes the options of libFuzzer that run.sh gives.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
printf '#!/bin/sh\ncd "%s" && exec python -m tests.fuzz.exec_arguments.target "$@"\n' "$(cd "$here/../../.." && pwd)" >"$1"
chmod +x "$1"
