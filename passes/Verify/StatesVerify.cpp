//===- StatesVerify.cpp - The optimizer's states are a line's -------------===//
#include "passes/Verify/StatesVerify.h"
#include "dialects/Fsdp/Fsdp.h"
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Factors.h"

#include "llvm/ADT/DenseSet.h"
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

/// A checkpoint says what a state is of: what the rules keep it in.
static LogicalResult verifyElements(rt::BufferOp buffer, StringRef name,
                                    sharding::LineAttr line, Type type) {
  Type parameter = line.getLayout().getElementType();
  for (const train::OptimizerState &state : line.getStates())
    if (state.name == name && state.typeIn(parameter) != type)
      return buffer.emitOpError("of state '")
             << name << "' has elements of " << type << ", expected "
             << state.typeIn(parameter)
             << ", which its line's rules keep it in (program_v10)";
  return success();
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
  bool isFactors = name == kFactors;
  int64_t elements = isFactors ? factorsType(line).getNumElements()
                               : line.getLayout().getShardElements();
  if (!rt::isStoredType(type.getElementType()) || !type.hasStaticShape() ||
      type.getNumElements() != elements ||
      byteSize(type) != int64_t(buffer.getBytes()) ||
      !buffer.getPhase().empty())
    return buffer.emitOpError("of state '")
           << name.getValue() << "' has " << buffer.getBytes()
           << " bytes of phase '" << buffer.getPhase() << "' for a " << type
           << ", expected those of the " << elements
           << " elements of its line's "
           << (isFactors ? "factored moments" : "shard")
           << ", and no phase (program_v10)";
  if (failed(verifyElements(buffer, name, line, type.getElementType())))
    return failure();
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

/// What gathers read in another type: it follows the shard wherever that is
/// changed between phases.
static LogicalResult verifyCopy(ModuleOp module, rt::BufferOp buffer,
                                llvm::StringSet<> &seen) {
  sharding::LineAttr line = lineOf(module, buffer);
  auto typeAttr = buffer->getAttrOfType<TypeAttr>(kBufferType);
  auto type = typeAttr ? dyn_cast<RankedTensorType>(typeAttr.getValue())
                       : RankedTensorType();
  if (!line || !type || !rt::isStoredType(type.getElementType()) ||
      !type.hasStaticShape() ||
      type.getNumElements() != line.getLayout().getShardElements() ||
      byteSize(type) != int64_t(buffer.getBytes()) ||
      !buffer.getPhase().empty())
    return buffer.emitOpError(
        "of kind shard is loaded by no phase, and is no copy of a line's shard "
        "either, expected its line's number in the unit, a tensor type of as "
        "many elements and bytes, and no phase (program_v10)");
  if (!seen.insert(
               (buffer.getUnit() + "\n" +
                Twine(buffer->getAttrOfType<IntegerAttr>(kBufferLine).getInt()))
                   .str())
           .second)
    return buffer.emitOpError(
        "is a copy of its line's shard as another buffer is (program_v10)");
  return success();
}

static llvm::DenseSet<int64_t> loadedBuffers(ModuleOp module) {
  llvm::DenseSet<int64_t> loaded;
  module.walk([&](rt::LoadOp load) {
    for (auto arg : load.getArgs().getAsRange<rt::ArgAttr>())
      loaded.insert(arg.getBuffer());
  });
  return loaded;
}

LogicalResult fsdp::verifyStates(ModuleOp module) {
  llvm::StringSet<> seen, copies;
  llvm::DenseSet<int64_t> loaded = loadedBuffers(module);
  for (auto buffer : module.getOps<rt::BufferOp>()) {
    bool isState = buffer->hasAttr(kBufferState);
    if (isState && buffer.getKind() != rt::BufferKind::Optimizer)
      return buffer.emitOpError("is a state of kind ")
             << rt::stringifyBufferKind(buffer.getKind())
             << ", expected optimizer (program_v10)";
    if (buffer.getKind() == rt::BufferKind::Optimizer &&
        failed(verifyState(module, buffer, seen)))
      return failure();
    if (buffer.getKind() == rt::BufferKind::Shard &&
        !loaded.contains(buffer.getId()) &&
        failed(verifyCopy(module, buffer, copies)))
      return failure();
  }
  return success();
}
