//===- Ptxas.h - NVIDIA's assembler, where it is installed ------*- C++ -*-===//
#ifndef FSDP_PASSES_TARGET_PTXAS_H
#define FSDP_PASSES_TARGET_PTXAS_H

#include <string>

namespace fsdp {
/// The path of ptxas: in PATH, in the toolkit that CUDA_HOME or CUDA_PATH
/// names, in /usr/local/cuda, or in the package nvidia-cuda-nvcc of the Python
/// environment that is active or in PATH. "" if it is in none of them.
std::string findPtxas();
} // namespace fsdp

#endif // FSDP_PASSES_TARGET_PTXAS_H
