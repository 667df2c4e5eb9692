//===- Bytes.h - Sizes as people write them ---------------------*- C++ -*-===//
#ifndef FSDP_PASSES_PLAN_BYTES_H
#define FSDP_PASSES_PLAN_BYTES_H

#include "mlir/Support/LLVM.h"

#include <optional>
#include <string>

namespace fsdp {
/// 1536 as "1.50 KiB".
std::string formatBytes(int64_t bytes);

/// "2GiB", "1.5 GB", "800MB", "4096": bytes. None for anything else, and for
/// what is not positive.
std::optional<int64_t> parseBytes(llvm::StringRef text);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_BYTES_H
