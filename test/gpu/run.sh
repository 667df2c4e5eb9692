#!/usr/bin/env bash
# Checks and measures programs for GPUs on a machine that has one.
#   test/gpu/run.sh pack  [-o build/gpu.tar.xz] ...   here, where the compiler is: what the other machine needs
#   test/gpu/run.sh check [build/gpu.tar.xz] ...      there: every table; exit status 1 where something differs
# README.md beside it says what is checked; --help of either, with which options.
set -euo pipefail
cd "$(dirname "$0")/../.."
case ${1:-} in
pack | check) ;;
*)
  sed -n '2,5s/^# //p' "test/gpu/run.sh" >&2
  exit 2
  ;;
esac
python=python3
[[ $1 == pack && -x .venv/bin/python ]] && python=.venv/bin/python
exec "$python" -u "test/gpu/$1.py" "${@:2}"
