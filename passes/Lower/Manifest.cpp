//===- Manifest.cpp - The manifest of a program ---------------------------===//
#include "passes/Lower/Manifest.h"
#include "dialects/Fsdp/Fsdp.h"
#include "dialects/FsdpRt/FsdpRt.h"
#include "passes/Lower/Phases.h"
#include "passes/Plan/Buffers.h"
#include "passes/Plan/Factors.h"
#include "passes/Plan/Lifetimes.h"
#include "passes/Support/Roles.h"
#include "passes/Support/Step.h"

#include "runtime/abi/fsdprt.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Base64.h"

using namespace mlir;
using namespace fsdp;
using llvm::json::Array;
using llvm::json::Object;

#define FSDPRT_RUNS(number, Name, word)                                        \
  static_assert(int(rt::Runs::Name) == number,                                 \
                "phases run '" word "' by another number in the dialect");
#include "runtime/abi/runs.def"

namespace {
std::string dtypeName(Type type) {
  if (type.isInteger(1))
    return "bool";
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

Array shapeOf(RankedTensorType type) {
  Array shape;
  for (int64_t extent : type.getShape())
    shape.push_back(extent);
  return shape;
}

Object placeOf(rt::BufferOp buffer, RankedTensorType type) {
  return Object{{"arena", int64_t(buffer.getArena())},
                {"offset", int64_t(buffer.getOffset())},
                {"bytes", int64_t(buffer.getBytes())},
                {"dtype", dtypeName(type.getElementType())},
                {"shape", shapeOf(type)}};
}

RankedTensorType typeOf(rt::BufferOp buffer) {
  return cast<RankedTensorType>(
      buffer->getAttrOfType<TypeAttr>(kBufferType).getValue());
}

/// A dictionary attribute of strings, numbers and booleans.
Object toJson(DictionaryAttr dictionary) {
  Object object;
  for (NamedAttribute entry : dictionary) {
    Attribute value = entry.getValue();
    std::string key = entry.getName().str();
    if (auto text = dyn_cast<StringAttr>(value))
      object[key] = text.getValue();
    else if (auto flag = dyn_cast<BoolAttr>(value))
      object[key] = flag.getValue();
    else if (auto integer = dyn_cast<IntegerAttr>(value))
      object[key] = integer.getInt();
    else if (auto number = dyn_cast<FloatAttr>(value))
      object[key] = number.getValueAsDouble();
  }
  return object;
}

class ManifestBuilder {
public:
  ManifestBuilder(ModuleOp module) : module(module) {}

  FailureOr<Object> build(const ProgramTarget &target) {
    FailureOr<DenseMap<int64_t, Lifetime>> computed = computeLifetimes(module);
    if (failed(computed))
      return failure();
    lives = std::move(*computed);
    manifest =
        Object{{"format", "fsdp-opt program"}, {"abi", FSDPRT_ABI_VERSION}};
    if (auto ignored = module->getAttrOfType<IntegerAttr>(kIgnoreIndex))
      manifest["ignore_index"] = ignored.getInt();
    if (auto name = module->getAttrOfType<StringAttr>("onnx.model"))
      manifest["model"] = name.getValue();
    if (auto dropped = module->getAttrOfType<ArrayAttr>("onnx.dropped")) {
      Array names;
      for (StringRef name : dropped.getAsValueRange<StringAttr>())
        names.push_back(name);
      manifest["dropped"] = std::move(names);
    }
    if (auto shift = module->getAttrOfType<StringAttr>(kLabelsShift))
      manifest["labels_shift"] = shift.getValue();
    if (auto vocabulary = module->getAttrOfType<IntegerAttr>(kVocabSize))
      manifest["vocab_size"] = vocabulary.getInt();
    if (auto rows = module->getAttrOfType<IntegerAttr>(kTokenRows))
      manifest["token_rows"] = rows.getInt();
    addTarget(target);
    addArenas();
    addCommunicators();
    addPhases();
    addRoles();
    addUnits();
    addBuffers();
    return std::move(manifest);
  }

private:
  void addTarget(const ProgramTarget &target) {
    Object described{{"kind", target.kind},
                     {"triple", target.triple},
                     {"cpu", target.cpu},
                     {"features", Array(target.features)}};
    if (!target.arch.empty()) {
      Array kernels;
      for (const CodeFile &file : target.kernels)
        if (file.form == "reference")
          described["reference"] = file.name;
        else
          kernels.push_back(Object{{"file", file.name}, {"form", file.form}});
      described["arch"] = target.arch;
      described["kernels"] = std::move(kernels);
    }
    manifest["target"] = std::move(described);
  }

  void addCommunicators() {
    Array communicators;
    for (auto op : module.getOps<rt::CommunicatorOp>()) {
      Array axes;
      for (StringRef axis : op.getAxes().getAsValueRange<StringAttr>())
        axes.push_back(axis);
      communicators.push_back(Object{{"name", op.getName()},
                                     {"axes", std::move(axes)},
                                     {"stream", int64_t(op.getStream())}});
    }
    manifest["communicators"] = std::move(communicators);
  }

  void addArenas() {
    manifest["arenas"] = describeArenas(module);
    manifest["planned_peak_bytes"] = plannedPeak(module);
  }

  void addPhases() {
    Array phases;
    for (auto phase : module.getOps<rt::PhaseOp>())
      phases.push_back(Object{{"name", phase.getSymName()},
                              {"symbol", phaseSymbol(phase.getSymName())},
                              {"runs", rt::stringifyRuns(phase.getRuns())}});
    manifest["phases"] = std::move(phases);
  }

  /// Inputs, scalars and results, by the role of their buffer.
  void addRoles() {
    Array inputs;
    Object scalars, results;
    for (auto buffer : module.getOps<rt::BufferOp>()) {
      auto role = buffer->getAttrOfType<StringAttr>(kBufferRole);
      if (!role)
        continue;
      RankedTensorType type = typeOf(buffer);
      Object place = placeOf(buffer, type);
      if (kindOfRole(role) == RoleKind::Input) {
        if (role == "tokens" && type.getRank() == 2) {
          manifest["batch"] = type.getDimSize(0);
          manifest["seq"] = type.getDimSize(1);
        }
        inputs.push_back(Object{{"name", buffer.getName()},
                                {"role", role.getValue()},
                                {"place", std::move(place)}});
      } else if (kindOfRole(role) == RoleKind::Scalar) {
        scalars[role.getValue()] = std::move(place);
      } else {
        results[role.getValue()] = std::move(place);
      }
    }
    manifest["inputs"] = std::move(inputs);
    manifest["scalars"] = std::move(scalars);
    manifest["results"] = std::move(results);
  }

  void addUnits() {
    DenseMap<std::pair<StringRef, int64_t>, rt::BufferOp> shards = findShards(),
                                                          copies = findCopies();
    Array units, parameters;
    for (auto [unitIndex, unit] :
         llvm::enumerate(module.getOps<sharding::UnitOp>())) {
      Array lines;
      for (auto [lineIndex, attr] : llvm::enumerate(unit.getLines())) {
        auto line = cast<sharding::LineAttr>(attr);
        std::pair<StringRef, int64_t> key(unit.getSymName(), lineIndex);
        Object object =
            addLine(line, unitIndex, lineIndex, shards.lookup(key),
                    statesOf(key.first, lineIndex, line, parameters.size()),
                    parameters);
        if (rt::BufferOp copy = copies.lookup(key))
          object["gathered"] = placeOf(copy, typeOf(copy));
        else
          object["gathered"] = *object.get("shard");
        lines.push_back(std::move(object));
      }
      units.push_back(
          Object{{"name", unit.getSymName()}, {"lines", std::move(lines)}});
    }
    for (auto parameter : module.getOps<onnx::ParameterOp>())
      if (parameter.getData())
        parameters.push_back(parameterObject(parameter, -1, -1, 0, false));
    addOptimizer();
    manifest["units"] = std::move(units);
    manifest["parameters"] = std::move(parameters);
  }

  /// The states of the optimizer of a line, in the rule's order; its parameters
  /// are those from number `first` on.
  Array statesOf(StringRef unit, int64_t index, sharding::LineAttr line,
                 int64_t first) {
    Array states;
    for (auto buffer : module.getOps<rt::BufferOp>()) {
      auto name = buffer->getAttrOfType<StringAttr>(kBufferState);
      auto place = buffer->getAttrOfType<IntegerAttr>(kBufferLine);
      if (!name || !place || buffer.getUnit() != unit ||
          place.getInt() != index)
        continue;
      RankedTensorType type = typeOf(buffer);
      if (name == kFactors)
        addFactors(line, first, placeOf(buffer, type), type, states);
      else
        states.push_back(Object{{"name", name.getValue()},
                                {"place", placeOf(buffer, type)}});
    }
    return states;
  }

  /// The parts of a line's factored moments, at `place`, that are states of its
  /// parameters.
  static void addFactors(sharding::LineAttr line, int64_t first, Object place,
                         RankedTensorType type, Array &states) {
    int64_t begin = *place.getInteger("offset");
    int64_t size = type.getElementTypeBitWidth() / 8;
    for (const Factor &factor : factorsOf(line)) {
      if (factor.count == 0)
        continue;
      Object own = place;
      own["offset"] = begin + factor.first * size;
      own["bytes"] = factor.count * size;
      own["shape"] = Array{factor.count};
      states.push_back(
          Object{{"name", factor.name},
                 {"place", std::move(own)},
                 {"parameter", first + int64_t(factor.parameter)}});
    }
  }

  /// The shard buffer of each (unit, line), from what init loads.
  DenseMap<std::pair<StringRef, int64_t>, rt::BufferOp> findShards() {
    DenseMap<int64_t, rt::BufferOp> buffers;
    for (auto buffer : module.getOps<rt::BufferOp>())
      buffers[buffer.getId()] = buffer;
    DenseMap<std::pair<StringRef, int64_t>, rt::BufferOp> shards;
    module.walk([&](rt::LoadOp load) {
      auto arg = cast<rt::ArgAttr>(load.getArgs()[0]);
      shards[{load.getUnit(), load.getLine()}] =
          buffers.lookup(arg.getBuffer());
    });
    return shards;
  }

  /// What gathers of a line read, where that is a copy of its shard.
  DenseMap<std::pair<StringRef, int64_t>, rt::BufferOp> findCopies() {
    DenseMap<std::pair<StringRef, int64_t>, rt::BufferOp> copies;
    for (auto buffer : module.getOps<rt::BufferOp>())
      if (auto line = buffer->getAttrOfType<IntegerAttr>(kBufferLine);
          line && buffer.getKind() == rt::BufferKind::Shard)
        copies[{buffer.getUnit(), line.getInt()}] = buffer;
    return copies;
  }

  Object addLine(sharding::LineAttr line, int64_t unitIndex, int64_t lineIndex,
                 rt::BufferOp shard, Array states, Array &parameters) {
    sharding::LayoutAttr layout = line.getLayout();
    if (!manifest.get("mesh")) {
      Array mesh;
      for (auto [name, size] :
           llvm::zip(layout.getMesh().getNames(), layout.getMesh().getSizes()))
        mesh.push_back(Object{{"axis", name.getValue()}, {"size", size}});
      manifest["mesh"] = std::move(mesh);
    }
    Array indices;
    for (auto [i, name] : llvm::enumerate(line.getParameters())) {
      indices.push_back(int64_t(parameters.size()));
      Object parameter = parameterObject(
          module.lookupSymbol<onnx::ParameterOp>(name), unitIndex, lineIndex,
          layout.getOffsets()[i], line.getTrainable());
      if (line.getTrainable())
        parameter["group"] = groupOf(line.getRule(i));
      parameters.push_back(std::move(parameter));
    }
    auto type = RankedTensorType::get({layout.getShardElements()},
                                      layout.getElementType());
    return Object{
        {"dtype", dtypeName(layout.getElementType())},
        {"trainable", line.getTrainable()},
        {"placement", sharding::stringifyPlacement(layout.getPlacement())},
        {"shard_elements", layout.getShardElements()},
        {"elements", layout.getNumElements()},
        {"shard", placeOf(shard, type)},
        {"states", std::move(states)},
        {"parameters", std::move(indices)}};
  }

  int64_t groupOf(train::OptimizerRule rule) {
    rules.insert(rule);
    return llvm::find(rules, rule) - rules.begin();
  }

  /// The rule's numbers in each group of parameters.
  void addOptimizer() {
    Array groups;
    for (auto rule : rules) {
      Object numbers;
      for (auto [number, value] :
           llvm::zip_equal(rule.getKind().numbers, rule.getNumbers()))
        numbers[number.name] = value;
      groups.push_back(std::move(numbers));
    }
    if (rules.empty())
      return;
    Object optimizer{{"rule", rules.front().getKind().name},
                     {"groups", std::move(groups)}};
    if (double ema = rules.front().getAverageDecay())
      optimizer["ema"] = ema;
    manifest["optimizer"] = std::move(optimizer);
  }

  static Object parameterObject(onnx::ParameterOp parameter, int64_t unit,
                                int64_t line, int64_t offset, bool trainable) {
    Array names{parameter.getSymName()};
    if (auto aliases = parameter.getAliases())
      for (auto alias : aliases->getAsValueRange<StringAttr>())
        names.push_back(alias);
    RankedTensorType type = parameter.getTensorType();
    Object object{{"names", std::move(names)},
                  {"dtype", dtypeName(type.getElementType())},
                  {"shape", shapeOf(type)},
                  {"kind", parameter.getBuffer() ? "buffer" : "parameter"},
                  {"trainable", trainable},
                  {"unit", unit},
                  {"line", line},
                  {"offset", offset}};
    if (auto source = parameter.getSource())
      object["source"] = toJson(*source);
    if (auto init = parameter.getInit())
      object["init"] = toJson(*init);
    if (auto missing = parameter.getMissing())
      object["missing"] = *missing;
    if (auto data = parameter.getData())
      object["data"] =
          Object{{"base64", base64(cast<DenseElementsAttr>(*data))}};
    return object;
  }

  static std::string base64(DenseElementsAttr elements) {
    ArrayRef<char> raw = elements.getRawData();
    std::string bytes(raw.begin(), raw.end()), all;
    for (int64_t i = 0, e = elements.isSplat() ? elements.getNumElements() : 1;
         i < e; ++i)
      all += bytes;
    return llvm::encodeBase64(all);
  }

  void addBuffers() {
    Array buffers;
    PhaseOrder order(module);
    for (auto buffer : module.getOps<rt::BufferOp>()) {
      Lifetime life = lives.lookup(buffer.getId());
      buffers.push_back(
          describeBuffer(buffer, order, life.first, life.lastUse));
    }
    manifest["buffers"] = std::move(buffers);
  }

  ModuleOp module;
  Object manifest;
  DenseMap<int64_t, Lifetime> lives;
  llvm::SetVector<train::OptimizerRule> rules; ///< in order of appearance
};
} // namespace

FailureOr<Object> fsdp::buildManifest(ModuleOp module,
                                      const ProgramTarget &target) {
  return ManifestBuilder(module).build(target);
}
