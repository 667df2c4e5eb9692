//===- ControlImport.cpp - Branches that fold, loops that unroll ----------===//
//
// A condition, or a number of trips, that is known at import leaves one line of
// nodes: the branch that is taken, the body once for each trip.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Dims.h"
#include "dialects/Onnx/Import/Importer.h"
#include "dialects/Onnx/Import/ProtoTypes.h"

using namespace mlir;
using namespace fsdp::onnx;

/// Nodes that loops may unroll to, trips included: more would take hours to
/// compile.
static constexpr int64_t maxUnrolled = 20'000;

/// What a region gives. A float initializer may be a parameter, which only an
/// operand of a node is known to be.
FailureOr<Operand> Importer::regionResult(const std::string &name) {
  if (auto known = values.find(name); known != values.end())
    return known->second;
  auto weight = parameters.weights.find(name);
  if (weight == parameters.weights.end())
    return emitter.error() << "result '" << name
                           << "' of its graph is defined by nothing in it";
  if (isFloatData(weight->second->dataType))
    return emitter.error()
           << "its graph gives initializer '" << name
           << "' as it is, expected the result of a node: a parameter there "
              "would be a constant";
  auto tensor = data.load(*weight->second);
  if (failed(tensor))
    return failure();
  return values[name] = Operand(std::move(*tensor));
}

FailureOr<SmallVector<Operand>>
Importer::importRegion(const Region &region, ArrayRef<Operand> inputs) {
  for (auto [name, value] : llvm::zip(region.inputs, inputs))
    if (failed(define(name, value)))
      return failure();
  const Node *node = current;
  Location where = emitter.loc;
  std::string scope = emitter.scope;
  if (failed(importRange(region.begin, region.end)))
    return failure();
  current = node;
  emitter.loc = where;
  emitter.scope = scope;
  SmallVector<Operand> results;
  for (const ValueRecord &output : region.outputs) {
    FailureOr<Operand> result = regionResult(output.name);
    if (failed(result))
      return failure();
    results.push_back(*result);
  }
  return results;
}

/// The truth value of a condition that is known; one that is absent holds.
static std::optional<bool> knownCondition(const Operand &x) {
  if (!x.present())
    return true;
  if (!x.constant || !x.elementType().isInteger(1) ||
      x.constant->numElements() != 1)
    return std::nullopt;
  return x.constant->asInt(0) != 0;
}

LogicalResult Importer::importIf(const Node &node, NodeContext &context) {
  if (!context.has(0))
    return emitter.error() << "operand 0 is missing";
  std::optional<bool> condition = knownCondition(context.in[0]);
  if (!condition)
    return keepUnsupported(node, context);
  auto results = importRegion(node.regions[*condition ? 0 : 1], {});
  if (failed(results))
    return failure();
  context.out.assign(results->begin(), results->end());
  return success();
}

/// The trip count, or the largest there is where the operand is absent.
static std::optional<int64_t> knownTrips(const NodeContext &context) {
  if (!context.has(0))
    return std::numeric_limits<int64_t>::max();
  auto count = context.constantInts(0);
  if (!count || count->size() != 1)
    return std::nullopt;
  return count->front();
}

/// What a loop collects of its trips, one on the other.
static MaybeOperand stack(Emitter &e, ArrayRef<Operand> parts) {
  std::vector<Operand> rows;
  for (const Operand &part : parts) {
    if (!part.isTensor())
      return e.error() << "the body collects what is no tensor of known shape";
    SmallVector<int64_t> shape = {1};
    llvm::append_range(shape, part.shape());
    MaybeOperand row = e.reshape(part, shape);
    if (failed(row))
      return failure();
    rows.push_back(*row);
  }
  return e.concat(rows, 0);
}

/// No trip says what one collects: the file has to.
static MaybeOperand emptyStack(Emitter &e, const ValueRecord &part,
                               const ImportOptions &options) {
  auto shape = statedShape(part, options);
  Type element = elementTypeOf(part.dataType, e.builder.getContext());
  if (!shape || !element)
    return e.error() << "the loop makes no trip, and the file does not say "
                        "which shape and type '"
                     << part.name << "' has, which it collects";
  shape->insert(shape->begin(), 0);
  return Operand(Tensor::splat(element, *shape, 0));
}

LogicalResult Importer::importTrip(const Region &body, int64_t trip,
                                   LoopState &state) {
  unrolled += 1 + int64_t(body.end - body.begin);
  if (unrolled > maxUnrolled)
    return emitter.error() << "loops unroll to more than " << maxUnrolled
                           << " nodes, at trip " << trip
                           << " of this one: give smaller --dim";
  SmallVector<Operand> inputs = {
      Operand(Tensor::splat(builder.getI64Type(), {}, trip)),
      Operand(Tensor::splat(builder.getI1Type(), {}, 1))};
  llvm::append_range(inputs, state.carried);
  auto results = importRegion(body, inputs);
  if (failed(results))
    return failure();
  ArrayRef<Operand> rest(*results);
  state.condition = knownCondition(rest.front());
  rest = rest.drop_front();
  size_t count = state.carried.size();
  state.carried.assign(rest.begin(), rest.begin() + count);
  for (auto [parts, part] : llvm::zip(state.collected, rest.drop_front(count)))
    parts.push_back(part);
  return success();
}

/// What a loop carries is its first results, what it collects the others.
LogicalResult Importer::giveLoopResults(const Node &node, NodeContext &context,
                                        const LoopState &state) {
  context.out.assign(state.carried.begin(), state.carried.end());
  for (const auto &parts : state.collected) {
    size_t index = context.out.size();
    // A result that nothing reads is not asked for.
    bool isRead = index < node.outputs.size() && !node.outputs[index].empty();
    const ValueRecord &part = node.regions[0].outputs[1 + index];
    if (failed(context.result(!isRead ? MaybeOperand(Operand())
                              : parts.empty()
                                  ? emptyStack(emitter, part, options)
                                  : stack(emitter, parts))))
      return failure();
  }
  return success();
}

LogicalResult Importer::importLoop(const Node &node, NodeContext &context) {
  const Region &body = node.regions[0];
  size_t carried = node.inputs.size() < 2 ? 0 : node.inputs.size() - 2;
  if (body.inputs.size() != carried + 2 || body.outputs.size() < carried + 1)
    return emitter.error() << "the body has " << body.inputs.size()
                           << " inputs and " << body.outputs.size()
                           << " outputs, expected " << carried + 2
                           << " and at least " << carried + 1;
  std::optional<int64_t> trips = knownTrips(context);
  if (!trips)
    return keepUnsupported(node, context);
  LoopState state;
  state.condition =
      context.in.size() > 1 ? knownCondition(context.in[1]) : true;
  for (size_t i = 0; i < carried; ++i)
    state.carried.push_back(context.in[i + 2]);
  state.collected.resize(body.outputs.size() - 1 - carried);
  for (int64_t trip = 0; trip < *trips; ++trip) {
    if (!state.condition)
      return keepUnsupported(node, context);
    if (!*state.condition)
      break;
    if (failed(importTrip(body, trip, state)))
      return failure();
  }
  return giveLoopResults(node, context, state);
}

LogicalResult Importer::importControl(const Node &node, NodeContext &context) {
  return node.opType == "If" ? importIf(node, context)
                             : importLoop(node, context);
}
