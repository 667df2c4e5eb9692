#!/usr/bin/env bash
# A wrong declaration must not compile: makes each of them wrong in turn.
# mutants.sh COMPILER HEADERS FILE...  (the *Matches.cpp that are built here)
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
compiler=$1 headers=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

compiles() { # FILE: against the declarations in the folder
  "$compiler" -std=c++17 -fsyntax-only -I"$folder" -I"$root/runtime" -I"$root" \
    -isystem "$headers" "$root/test/cuda/$1" 2>"$folder/errors"
}

mutant() { # FILE DECLARATIONS SED WHAT: the assertion that must fail
  [[ " $files " == *" $1 "* ]] || return 0
  mkdir -p "$folder/cuda"
  cp "$root"/runtime/cuda/*Types.h "$root"/runtime/cuda/*.def "$folder/cuda"
  sed -i "$3" "$folder/cuda/$2"
  if cmp -s "$folder/cuda/$2" "$root/runtime/cuda/$2"; then
    echo "$2: '$3' changes nothing" && failed=1
  elif compiles "$1"; then
    echo "$2: '$3' compiles" && failed=1
  elif ! grep -q "error: static assertion failed.*$4" "$folder/errors"; then
    echo "$2: '$3' fails otherwise than by '$4':" && failed=1
    head -5 "$folder/errors"
  fi
}

files="$*"
for file in $files; do
  compiles "$file" || { cat "$folder/errors"; exit 1; }
done
mutant DriverMatches.cpp DriverTypes.h 's/CUDA_ERROR_NOT_READY, 600/CUDA_ERROR_NOT_READY, 601/' 'value of CUDA_ERROR_NOT_READY'
mutant DriverMatches.cpp DriverTypes.h 's/CU_STREAM_NON_BLOCKING, 1/CU_STREAM_NON_BLOCKING, 0/' 'value of CU_STREAM_NON_BLOCKING'
mutant DriverMatches.cpp DriverTypes.h 's/bytes\[16\]/bytes[8]/' 'size of ::CUuuid'
mutant DriverMatches.cpp DriverTypes.h 's/enum CUresult : unsigned/enum CUresult : short/' 'size of ::CUresult'
mutant DriverMatches.cpp DriverTypes.h 's/CUdeviceptr = unsigned long long/CUdeviceptr = unsigned/' 'prototype of cuMemAlloc'
mutant DriverMatches.cpp DriverFunctions.def 's/cuMemFree_v2/cuMemFree/' 'symbol of cuMemFree'
mutant DriverMatches.cpp DriverFunctions.def 's/(CUstream stream, CUevent event, unsigned flags)/(CUstream stream, CUevent event)/' 'prototype of cuStreamWaitEvent'
mutant DriverMatches.cpp DriverFunctions.def 's/(CUevent event, CUstream stream)/(CUstream stream, CUevent event)/' 'prototype of cuEventRecord'
mutant BlasLtMatches.cpp BlasLtTypes.h 's/CUDA_R_16BF, 14/CUDA_R_16BF, 15/' 'value of CUDA_R_16BF'
mutant BlasLtMatches.cpp BlasLtTypes.h 's/float wavesCount;/double wavesCount;/' 'field wavesCount'
mutant BlasLtMatches.cpp BlasLtFunctions.def 's/uint64_t cols, int64_t ld/uint64_t cols, int32_t ld/' 'prototype of cublasLtMatrixLayoutCreate'
mutant NcclMatches.cpp NcclTypes.h 's/ncclBfloat16, 9/ncclBfloat16, 10/' 'value of ncclBfloat16'
mutant NcclMatches.cpp NcclTypes.h 's/0xcafebeef/0xcafebeee/' 'magic'
mutant NcclMatches.cpp NcclTypes.h '/int minCTAs/d;s/int splitShare.*/&\nint minCTAs = 0;/' 'field minCTAs'
mutant NcclMatches.cpp NcclFunctions.def 's/size_t receive_count/int receive_count/' 'prototype of ncclReduceScatter'
exit "$failed"
