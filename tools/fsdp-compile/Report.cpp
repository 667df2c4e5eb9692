//===- Report.cpp - What fsdp-compile tells of a program ------------------===//
#include "Report.h"
#include "dialects/Fsdp/Fsdp.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Bytes.h"

#include "llvm/Support/Format.h"

using namespace mlir;
using namespace fsdp;

void fsdp::reportParameters(ModuleOp module, llvm::raw_ostream &os) {
  int64_t trainable = 0, frozen = 0, trainableElements = 0, frozenElements = 0;
  for (auto parameter : module.getOps<onnx::ParameterOp>()) {
    if (parameter.getBuffer())
      continue;
    int64_t elements = parameter.getTensorType().getNumElements();
    (parameter.getFrozen() ? frozen : trainable) += 1;
    (parameter.getFrozen() ? frozenElements : trainableElements) += elements;
  }
  os << "parameters: " << trainable << " trainable (" << trainableElements
     << " elements), " << frozen << " frozen (" << frozenElements
     << " elements)\n";
  if (auto dropped = module->getAttrOfType<ArrayAttr>("onnx.dropped")) {
    os << "dropped, as nothing reads them (saved files will lack them): ";
    llvm::interleaveComma(dropped.getAsValueRange<StringAttr>(), os);
    os << "\n";
  }
}

/// Payload that one gather of `unit` brings, padding not counted.
static int64_t gatheredBytes(sharding::UnitOp unit) {
  int64_t bytes = 0;
  for (auto line : unit.getLines().getAsRange<sharding::LineAttr>()) {
    sharding::LayoutAttr layout = line.getGatherLayout();
    bytes += layout.getNumElements() *
             (layout.getElementType().getIntOrFloatBitWidth() / 8);
  }
  return bytes;
}

void fsdp::reportPlan(ModuleOp module, llvm::raw_ostream &os) {
  os << llvm::left_justify("unit", 32) << llvm::right_justify("parameters", 12)
     << llvm::right_justify("gathered", 14) << "\n";
  for (auto unit : module.getOps<sharding::UnitOp>()) {
    size_t parameters = 0;
    for (auto line : unit.getLines().getAsRange<sharding::LineAttr>())
      parameters += line.getParameters().size();
    os << llvm::left_justify(unit.getSymName(), 32)
       << llvm::right_justify(std::to_string(parameters), 12)
       << llvm::right_justify(formatBytes(gatheredBytes(unit)), 14) << "\n";
  }
  int64_t peak = plannedPeak(module);
  for (auto arena : module.getOps<rt::ArenaOp>()) {
    os << "arena " << arena.getName() << ": " << arena.getBytes() << " bytes ("
       << formatBytes(arena.getBytes()) << ")"
       << (arena.getRuns() ? ", with fsdp-run --accumulate only" : "") << "\n";
  }
  os << "peak per rank: " << peak << " bytes (" << formatBytes(peak) << ")";
  if (int64_t more = accumulateBytes(module))
    os << ", with --accumulate " << peak + more << " bytes ("
       << formatBytes(peak + more) << ")";
  os << "\n";
}
