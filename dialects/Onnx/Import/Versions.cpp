//===- Versions.cpp - Which versions of ONNX are known --------------------===//
#include "dialects/Onnx/Import/Versions.h"

#include "mlir/IR/Diagnostics.h"

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
