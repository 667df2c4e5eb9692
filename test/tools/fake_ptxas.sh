#!/bin/sh
# Stands for NVIDIA's assembler: says that it is, and writes what it was asked to assemble.
if [ "$1" = --version ]; then
  echo "ptxas: NVIDIA (R) Ptx optimizing assembler"
  exit
fi
while [ "$1" != -o ]; do
  shift
done
echo "assembled $3" >"$2"
