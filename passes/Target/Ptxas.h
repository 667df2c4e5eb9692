//===- Ptxas.h - NVIDIA's assembler, where it is installed ------*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_PTXAS_H
#define FSDP_PASSES_TARGET_PTXAS_H

#include "llvm/ADT/StringRef.h"

#include <string>

namespace fsdp {
/// The path of ptxas: in PATH, in the toolkit that CUDA_HOME or CUDA_PATH
/// names, in /usr/local/cuda, or in the package nvidia-cuda-nvcc of the Python
/// environment that is active or in PATH. "" if it is in none of them.
std::string findPtxas();

/// What stands for a path where nothing is to be assembled.
inline constexpr llvm::StringLiteral kNoPtxas = "none";

/// The path of the ptxas that the user names, by a path or a name that is in
/// PATH. What is wrong with it in `problem`, "" if all is well: nothing is
/// there, or it does not say that it is ptxas.
std::string resolvePtxas(llvm::StringRef name, std::string &problem);
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_PTXAS_H
