//===- CallRoles.h - Which argument of a call a node reads ------*- C++ -*-===//
//
// PyTorch's exporter makes several nodes of a call. A table tells for those
// that read parameters which argument an operand is.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_CALLROLES_H
#define FSDP_DIALECTS_ONNX_IMPORT_CALLROLES_H

#include "dialects/Onnx/Import/Records.h"

namespace fsdp::onnx {
struct Argument {
  /// Whether the table knows the operand's role; else `index` is a guess.
  bool known = false;
  int index = -1;
  bool isScale = false;
};
Argument argumentFor(const CallRecord &call, const Node &node,
                     unsigned operand);

/// Whether an operand in the role of a weight holds its transpose.
bool holdsTranspose(const CallRecord &call, const Node &node, unsigned operand);

/// Whether an operand whose role is known holds the parameter as it is, though
/// the exporter may have computed it ahead: by a transposition that moves
/// nothing.
bool holdsCopy(const CallRecord &call, const Node &node, unsigned operand);

/// `add(x, p, alpha=2)` adds 2 * p: an addend that is an initializer was
/// computed from p, or has its contents by chance (zeros).
bool isScaledAddend(const CallRecord &call, int argument);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_CALLROLES_H
