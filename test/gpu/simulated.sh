#!/usr/bin/env bash
# Both commands of run.sh on the simulated GPU, for a small program.
#   simulated.sh BUILD PYTHON
set -euo pipefail
build=$1 python=$2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" "$here/pack.py" --bin "$build/bin" --runtime "$build" --arch simulated -o "$work/gpu.tar.xz" \
  gpt2-adamw-1
LD_LIBRARY_PATH=$build/test/simcuda SIMCUDA_ORDERS=0 "$python" "$here/check.py" "$work/gpu.tar.xz" --output "$work/tables"
grep -q '^| gpt2-adamw-1 | loss .* | right |$' "$work/tables/tables.md"
