#!/usr/bin/env bash
# Sets up, builds and runs every test through ctest, as many at once as there are
# cores (those that time themselves run alone). Arguments go to ctest:
#   test/run.sh -R lit
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/setup
exec ctest --test-dir build --output-on-failure --parallel "$(nproc)" "$@"
