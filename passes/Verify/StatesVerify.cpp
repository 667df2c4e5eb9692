//===- StatesVerify.cpp - The optimizer's states are a line's -------------===//
#include "passes/Verify/StatesVerify.h"
#include "dialects/Fsdp/Fsdp.h"
#include "passes/Plan/Buffers.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fsdp;

/// What a state is of; null where there is no such line.
static sharding::LineAttr lineOf(ModuleOp module, rt::BufferOp buffer) {
  auto index = buffer->getAttrOfType<IntegerAttr>(kBufferLine);
  auto unit = module.lookupSymbol<sharding::UnitOp>(buffer.getUnit());
  if (!index || !unit || index.getInt() < 0 ||
      index.getInt() >= int64_t(unit.getLines().size()))
    return nullptr;
  return cast<sharding::LineAttr>(unit.getLines()[index.getInt()]);
}

static LogicalResult verifyState(ModuleOp module, rt::BufferOp buffer,
                                 llvm::StringSet<> &seen) {
  auto name = buffer->getAttrOfType<StringAttr>(kBufferState);
  sharding::LineAttr line = lineOf(module, buffer);
  auto typeAttr = buffer->getAttrOfType<TypeAttr>(kBufferType);
  auto type = typeAttr ? dyn_cast<RankedTensorType>(typeAttr.getValue())
                       : RankedTensorType();
  if (!name || name.empty() || name.getValue().contains('/') || !line || !type)
    return buffer.emitOpError("of kind optimizer is no line's state, expected "
                              "the state's name, its line's number in the unit "
                              "and a tensor type (program_v10)");
  int64_t elements = line.getLayout().getShardElements();
  if (!rt::isStoredType(type.getElementType()) || !type.hasStaticShape() ||
      type.getNumElements() != elements ||
      byteSize(type) != int64_t(buffer.getBytes()) ||
      !buffer.getPhase().empty())
    return buffer.emitOpError("of state '")
           << name.getValue() << "' has " << buffer.getBytes()
           << " bytes of phase '" << buffer.getPhase() << "' for a " << type
           << ", expected those of the " << elements
           << " elements of its line's shard, and no phase (program_v10)";
  std::string key =
      (buffer.getUnit() + "\n" + name.getValue() + "\n" +
       Twine(buffer->getAttrOfType<IntegerAttr>(kBufferLine).getInt()))
          .str();
  if (!seen.insert(key).second)
    return buffer.emitOpError("is state '")
           << name.getValue()
           << "' of its line as another buffer is (program_v10)";
  return success();
}

LogicalResult fsdp::verifyStates(ModuleOp module) {
  llvm::StringSet<> seen;
  for (auto buffer : module.getOps<rt::BufferOp>()) {
    bool isState = buffer->hasAttr(kBufferState);
    if (isState && buffer.getKind() != rt::BufferKind::Optimizer)
      return buffer.emitOpError("is a state of kind ")
             << rt::stringifyBufferKind(buffer.getKind())
             << ", expected optimizer (program_v10)";
    if (buffer.getKind() == rt::BufferKind::Optimizer &&
        failed(verifyState(module, buffer, seen)))
      return failure();
  }
  return success();
}
