//===- Units.h - Which modules are FSDP units -------------------*- C++ -*-===//
#ifndef FSDP_PASSES_SUPPORT_UNITS_H
#define FSDP_PASSES_SUPPORT_UNITS_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace fsdp {
/// "a.b.c" -> "a", "a.b" (the modules around parameter "a.b.c").
llvm::SmallVector<llvm::StringRef> enclosingModules(llvm::StringRef name);

/// The unit that holds the parameter `name`, a part of it: the longest
/// enclosing module that one of `patterns` matches; without patterns the
/// element of the outermost module list. "": none, the root unit.
llvm::StringRef unitOfName(llvm::StringRef name,
                           llvm::ArrayRef<std::string> patterns);
} // namespace fsdp

#endif // FSDP_PASSES_SUPPORT_UNITS_H
