//===- Supported.cpp - One error for all unsupported operators ------------===//
#include "dialects/Onnx/Import/Import.h"
#include "dialects/Onnx/Onnx.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace fsdp::onnx;

/// Whether the mask is still an argument: what computes with it then stays.
static bool hasAttentionMask(ModuleOp module) {
  for (auto func : module.getOps<func::FuncOp>())
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      auto name = func.getArgAttrOfType<StringAttr>(i, "onnx.name");
      if (name && name.getValue() == "attention_mask")
        return true;
    }
  return false;
}

namespace {
struct Hint {
  const char *opType, *text;
};
} // namespace

static constexpr const char *drawsNumbers =
    "draws random numbers: export the model in eval() mode, without sampling";
static constexpr const char *quantised =
    "is part of a quantised model: export it before it is quantised";
static constexpr const char *running =
    "is in training mode: its running statistics are not supported, export "
    "the model in eval() mode";
static constexpr const char *branches =
    "has a condition that depends on the data: expected one that is known from "
    "shapes and constants, give --bind INPUT=VALUE where an input decides";
static constexpr const char *loops =
    "has a number of trips that depends on the data: expected a trip count and "
    "a condition that are known from shapes and constants";
static const Hint hints[] = {{"If", branches},
                             {"Loop", loops},
                             {"RandomUniform", drawsNumbers},
                             {"RandomUniformLike", drawsNumbers},
                             {"RandomNormal", drawsNumbers},
                             {"RandomNormalLike", drawsNumbers},
                             {"Bernoulli", drawsNumbers},
                             {"Multinomial", drawsNumbers},
                             {"QuantizeLinear", quantised},
                             {"DequantizeLinear", quantised},
                             {"DynamicQuantizeLinear", quantised},
                             {"MatMulInteger", quantised},
                             {"QLinearMatMul", quantised},
                             {"QLinearConv", quantised},
                             {"ConvInteger", quantised},
                             {"BatchNormalization", running}};

/// Why an operator is not there, and the way out where there is one.
static StringRef hintFor(NodeOp node) {
  StringRef domain = node.getDomain();
  if (domain == "com.microsoft")
    return "was written by ONNX Runtime's optimizer: compile the model as the "
           "exporter wrote it, or optimize it with level basic only";
  if (!domain.empty())
    return "";
  for (const Hint &hint : hints)
    if (node.getOpType() == hint.opType)
      return hint.text;
  return "";
}

LogicalResult fsdp::onnx::checkSupported(ModuleOp module) {
  struct Seen {
    unsigned count = 0;
    NodeOp first;
  };
  llvm::MapVector<StringRef, Seen> all, unsupported;
  module.walk([&](NodeOp node) {
    auto &table = node->hasAttr("unresolved") ? all : unsupported;
    Seen &seen = table[node.getOpType()];
    if (seen.count++ == 0)
      seen.first = node;
  });
  // Nodes that only follow an unsupported one are not its equals.
  auto &listed = unsupported.empty() ? all : unsupported;
  if (listed.empty())
    return success();
  InFlightDiagnostic error = module.emitError();
  error << "the model has " << listed.size() << " unsupported operator"
        << (listed.size() == 1 ? "" : "s") << ":";
  for (auto &[type, seen] : listed) {
    error << "\n  " << type << " (" << seen.count << "), first in node '"
          << seen.first.getNodeName() << "'";
    if (!seen.first.getDomain().empty())
      error << " of domain '" << seen.first.getDomain() << "'";
    error << ", scope '" << seen.first.getScope() << "'";
    if (StringRef hint = hintFor(seen.first); !hint.empty())
      error << "; it " << hint;
  }
  if (hasAttentionMask(module))
    error << "\n  input 'attention_mask' is not fixed: with --bind "
             "attention_mask=1 (nothing is padded) masks fold away";
  return error;
}
