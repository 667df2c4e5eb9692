//===- Register.h - Dialects and passes of the tools ------------*- C++ -*-===//
#ifndef FSDP_TOOLS_REGISTER_H
#define FSDP_TOOLS_REGISTER_H

#include "mlir/IR/DialectRegistry.h"

namespace fsdp {
/// Registers what every tool knows: the dialects, and all passes by flag.
void registerAll(mlir::DialectRegistry &registry);
} // namespace fsdp

#endif // FSDP_TOOLS_REGISTER_H
