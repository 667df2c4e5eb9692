//===- UnreadInputs.cpp - Tokens that nothing reads -----------------------===//
#include "dialects/Onnx/Import/UnreadInputs.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

static StringRef nameOf(func::FuncOp function, unsigned argument) {
  return function.getArgAttrOfType<StringAttr>(argument, "onnx.name")
      .getValue();
}

/// Whether training feeds it: by its name, or because it looks like tokens and
/// some node reads it. Masks are asked for with --bind.
static bool isFed(const Graph &graph, StringRef name, Type type) {
  if (name == "input_ids" || name == "labels")
    return true;
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getRank() == 2 && !tensor.getElementType().isInteger(1) &&
         isa<IntegerType>(tensor.getElementType()) && !name.contains("mask") &&
         llvm::any_of(graph.nodes, [&](const Node &node) {
           return llvm::is_contained(node.inputs, name);
         });
}

LogicalResult fsdp::onnx::checkInputsAreRead(const Graph &graph,
                                             func::FuncOp function,
                                             Location loc) {
  unsigned count = function.getNumArguments();
  auto isRead = [&](unsigned i) {
    return !function.getArgument(i).use_empty();
  };
  for (unsigned i = 0; i < count; ++i) {
    StringRef name = nameOf(function, i);
    if (isRead(i) || !isFed(graph, name, function.getArgument(i).getType()))
      continue;
    auto other = llvm::find_if(llvm::seq(count), isRead);
    InFlightDiagnostic error = mlir::emitError(loc)
                               << "input '" << name
                               << "' is read for its shape only";
    if (other == llvm::seq(count).end())
      return error << ": the model computes nothing from it";
    return error << ", what the model computes comes from '"
                 << nameOf(function, *other)
                 << "': where both were one tensor when the model was "
                    "exported, export it with labels=ids.clone()";
  }
  return success();
}
