//===- Program.cpp - What the phases of a program share -------------------===//
#include "passes/Plan/Program.h"
#include "passes/Support/Values.h"

using namespace mlir;
using namespace fsdp;

int64_t fsdp::lineBytes(sharding::LayoutAttr layout) {
  return layout.getNumShards() * byteSize(LineBuffers::shardTypeOf(layout));
}

std::pair<SmallVector<Slice>, SmallVector<Type>>
fsdp::updatedOf(const LineBuffers &line) {
  SmallVector<Slice> slices = {line.shard};
  llvm::append_range(slices, line.states);
  SmallVector<Type> types = {line.shardType()};
  llvm::append_range(types, line.stateTypes());
  if (line.hasSource()) {
    slices.push_back(line.source);
    types.push_back(line.sourceType());
  }
  return {slices, types};
}

SmallVector<Type> LineBuffers::stateTypes() const {
  RankedTensorType shard = shardType();
  return llvm::map_to_vector(
      line.get().getStates(), [&](const train::OptimizerState &state) -> Type {
        return shard.clone(state.typeIn(shard.getElementType()));
      });
}

RankedTensorType LineBuffers::keysType() const {
  return RankedTensorType::get({int64_t(line.get().getParameters().size())},
                               IntegerType::get(line.get().getContext(), 64));
}

static std::string lineKey(StringRef unit, int64_t line) {
  return (unit + "/" + Twine(line)).str();
}

void Program::addLine(LineBuffers line) {
  world = line.layout().getNumShards(); // one mesh: the same for all lines
  mesh = line.layout().getMesh();
  std::string key = lineKey(line.line.unitName(), line.line.index);
  lines.insert_or_assign(key, std::move(line));
}

const LineBuffers *Program::findLine(StringRef unit, int64_t line) const {
  auto it = lines.find(lineKey(unit, line));
  return it == lines.end() ? nullptr : &it->second;
}

const LineBuffers &Program::getLine(StringRef unit, int64_t line) const {
  const LineBuffers *found = findLine(unit, line);
  assert(found && "phases are checked before they are converted");
  return *found;
}

StringRef Program::unitOfScope(StringRef scope) {
  StringRef found;
  for (auto unit : module.getOps<sharding::UnitOp>()) {
    StringRef name = unit.getSymName();
    bool inside =
        scope == name || (scope.starts_with(name) && scope[name.size()] == '.');
    if (inside && name.size() > found.size())
      found = name;
  }
  return found;
}
