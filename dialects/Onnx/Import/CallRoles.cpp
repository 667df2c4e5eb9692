//===- CallRoles.cpp - Which argument of a call a node reads --------------===//
#include "dialects/Onnx/Import/CallRoles.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
struct Role {
  const char *target, *opType;
  /// Operand of the node, -1 for any; argument of the call.
  int operand, argument;
  bool isScale = false;
};
const Role roles[] = {
    {"embedding", "Gather", 0, 0},
    {"linear", "MatMul", 1, 1},
    {"linear", "Gemm", 1, 1},
    {"linear", "Gemm", 2, 2},
    {"linear", "Transpose", 0, 1},
    {"linear", "Add", -1, 2},
    {"addmm", "MatMul", 0, 1},
    {"addmm", "MatMul", 1, 2},
    {"addmm", "Gemm", 0, 1},
    {"addmm", "Gemm", 1, 2},
    {"addmm", "Gemm", 2, 0},
    {"addmm", "Add", -1, 0},
    {"layer_norm", "LayerNormalization", 1, 2, true},
    {"layer_norm", "LayerNormalization", 2, 3},
    {"layer_norm", "Mul", -1, 2, true},
    {"layer_norm", "Add", -1, 3},
    {"native_layer_norm", "LayerNormalization", 1, 2, true},
    {"native_layer_norm", "LayerNormalization", 2, 3},
    {"_native_batch_norm_legit_no_training", "BatchNormalization", 1, 1, true},
    {"_native_batch_norm_legit_no_training", "BatchNormalization", 2, 2},
    {"_native_batch_norm_legit_no_training", "BatchNormalization", 3, 3},
    {"_native_batch_norm_legit_no_training", "BatchNormalization", 4, 4},
    {"rms_norm", "RMSNormalization", 1, 2, true},
    {"rms_norm", "Mul", -1, 2, true},
};
// Calls that are one node, operand by operand.
const char *const sameOrder[] = {"mul", "add",    "sub", "div",  "pow",
                                 "mm",  "matmul", "bmm", "where"};
} // namespace

/// `index(x, [i])` gathers along the first dimensions of x: the exporter puts
/// the indexed dimensions in front, and these are.
static bool indexesInFront(const CallRecord &call) {
  if (call.target != "index" || call.args.size() < 2)
    return false;
  llvm::StringRef indices = call.args[1];
  size_t last = indices.rfind('%');
  return last != llvm::StringRef::npos &&
         !indices.take_front(last).contains("None");
}

bool fsdp::onnx::holdsCopy(const CallRecord &call, const Node &node,
                           unsigned operand) {
  return operand == 0 && node.opType == "GatherND" && indexesInFront(call);
}

Argument fsdp::onnx::argumentFor(const CallRecord &call, const Node &node,
                                 unsigned operand) {
  for (const Role &role : roles)
    if (call.target == role.target && node.opType == role.opType &&
        (role.operand < 0 || unsigned(role.operand) == operand))
      return {true, role.argument, role.isScale};
  if (holdsCopy(call, node, operand))
    return {true, 0};
  // A fused norm keeps the record of its last multiplication.
  if (call.target == "mul" && node.opType == "RMSNormalization") {
    bool first = call.value(0).starts_with("p_");
    return {operand == 1, first ? 0 : 1, true};
  }
  if (llvm::is_contained(sameOrder, call.target))
    return {true, int(operand)};
  return {false, int(operand)};
}

bool fsdp::onnx::holdsTranspose(const CallRecord &call, const Node &node,
                                unsigned operand) {
  if (operand != 1)
    return false;
  auto transB = node.attributes.find("transB");
  bool gemmT = transB != node.attributes.end() && transB->second.i;
  if (call.target == "linear")
    return node.opType == "MatMul" || (node.opType == "Gemm" && !gemmT);
  return call.target == "addmm" && node.opType == "Gemm" && gemmT;
}

bool fsdp::onnx::isScaledAddend(const CallRecord &call, int argument) {
  auto alpha = call.kwargs.find("alpha");
  return argument == 1 && (call.target == "add" || call.target == "sub") &&
         alpha != call.kwargs.end() && alpha->second != "1" &&
         alpha->second != "1.0";
}
