//===- Link.h - Objects to a shared object ----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_OUTPUT_LINK_H
#define FSDP_PASSES_OUTPUT_LINK_H

#include "llvm/ADT/ArrayRef.h"

#include <string>

namespace fsdp {
/// Links `objects`, files of `folder`, to `name` in it, and removes them.
/// Symbols that are left undefined are the loading process's business, but an
/// error where the result must be `whole`. Returns "" or what went wrong.
std::string linkShared(const std::string &folder,
                       llvm::ArrayRef<std::string> objects,
                       const std::string &name, bool isWhole);
} // namespace fsdp

#endif // FSDP_PASSES_OUTPUT_LINK_H
