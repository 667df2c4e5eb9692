//===- Versions.cpp - Which versions of ONNX are known --------------------===//
#include "dialects/Onnx/Import/Versions.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace fsdp::onnx;

// Those of ONNX 1.22, whose definitions the importer was written from.
static constexpr int64_t newestIr = 13, newestOpset = 27;

LogicalResult fsdp::onnx::checkIrVersion(int64_t version, Location loc) {
  if (version <= newestIr)
    return success();
  return mlir::emitError(loc)
         << "the file has IR version " << version
         << ", the newest that is known is " << newestIr
         << " (ONNX 1.22): export it with opset_version=23 or lower";
}

LogicalResult fsdp::onnx::checkOpset(llvm::StringRef domain, int64_t version,
                                     Location loc) {
  if (!domain.empty() || (version > 0 && version <= newestOpset))
    return success();
  if (version <= 0)
    return mlir::emitError(loc) << "the file imports opset " << version
                                << ", expected a positive version";
  return mlir::emitError(loc)
         << "the file imports opset " << version
         << ", the newest that is known is " << newestOpset
         << " (ONNX 1.22): export it with opset_version=23";
}

namespace {
struct Change {
  int64_t opset;
  const char *operators;
};
} // namespace

// The last change of each operator that had one up to opset 7
// (onnx.defs.get_all_schemas_with_history of the default domain).
static const Change changes[] = {
    {2, "GlobalLpPool LpPool Pad Split"},
    {4, "Concat"},
    {5, "Reshape"},
    {6, "Abs Cast Ceil Clip Elu Exp Floor HardSigmoid InstanceNormalization "
        "LeakyRelu Log Max Mean Min Neg Reciprocal Relu Selu Sigmoid Sqrt Sum "
        "Tanh Tile"},
    {7, "Add And AveragePool BatchNormalization Div Dropout Equal GRU Gemm "
        "Greater LSTM Less Mul Or PRelu Pow RNN Sub Upsample Xor"},
};

int64_t fsdp::onnx::oldestOpset(llvm::StringRef opType) {
  static const llvm::StringMap<int64_t> table = [] {
    llvm::StringMap<int64_t> opsets;
    for (const Change &change : changes) {
      llvm::SmallVector<llvm::StringRef> names;
      llvm::StringRef(change.operators).split(names, ' ');
      for (llvm::StringRef name : names)
        opsets[name] = change.opset;
    }
    return opsets;
  }();
  auto it = table.find(opType);
  return it == table.end() ? 1 : it->second;
}
