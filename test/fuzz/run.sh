#!/bin/sh
# run.sh FOLDER FUZZER ARGUMENT...: runs FUZZER with FOLDER/corpus, where it
# keeps what is news, before the ARGUMENTs, and a folder for its files, in memory
# where there is one: it writes 100,000. Both are emptied first: what an earlier
# run found or left changes nothing.
set -eu
folder=$1 fuzzer=$2
shift 2
scratch=/dev/shm/fsdp-fuzz-$(printf %s "$folder" | cksum | cut -d ' ' -f 1)
[ -w /dev/shm ] || scratch=$folder/scratch
rm -rf "$folder" "$scratch"
mkdir -p "$folder/corpus" "$scratch"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
TMPDIR=$scratch "$fuzzer" "$folder/corpus" "$@"
