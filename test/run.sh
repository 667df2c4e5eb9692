#!/usr/bin/env bash
# Sets up, builds and runs every test through ctest. Arguments go to ctest:
#   test/run.sh -R lit
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/setup
exec ctest --test-dir build --output-on-failure "$@"
