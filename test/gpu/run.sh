#!/usr/bin/env bash
# Checks and measures programs for GPUs on a machine that has one.
#   test/gpu/run.sh pack  [-o build/gpu.tar.xz] ...   here, where the compiler is: what the other machine needs
#   test/gpu/run.sh check [build/gpu.tar.xz] ...      there: every table; exit status 1 where something differs
# README.md beside it says what is checked; --help of either, with which options.
set -euo pipefail
cd "$(dirname "$0")/../.."
usage() { sed -n '2,5s/^# //p' test/gpu/run.sh; }
case ${1:-} in
pack | check) ;;
-h | --help)
  usage
  exit
  ;;
*)
  usage >&2
  exit 2
  ;;
esac
python=python3
[[ $1 == pack && -x .venv/bin/python ]] && python=.venv/bin/python
"$python" -c 'import numpy' 2>/dev/null || {
  echo "run.sh: $(command -v "$python") has no numpy: $python -m pip install numpy" >&2
  exit 1
}
exec "$python" -u "test/gpu/$1.py" "${@:2}"
