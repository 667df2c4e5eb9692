//===- Importer.cpp - From an ONNX file to the onnx dialect ---------------===//
//
// Nodes are walked in order with static types known, so shape, mask and
// position chains are evaluated as they come and only what the model computes
// becomes ops.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Importer.h"
#include "dialects/Onnx/Import/DroppedSums.h"
#include "dialects/Onnx/Import/KeptNodes.h"
#include "dialects/Onnx/Import/MergedCalls.h"
#include "dialects/Onnx/Import/ProtoTypes.h"
#include "dialects/Onnx/Import/RecordedCalls.h"
#include "dialects/Onnx/Import/UnreadInputs.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace fsdp::onnx;

FailureOr<Operand> Importer::readParameter(size_t index, bool transposed) {
  const Parameter &parameter = parameters.parameters[index];
  Value &read = reads[index];
  if (!read) {
    Type element = parameter.source ? elementTypeOf(parameter.source->dataType,
                                                    builder.getContext())
                                    : builder.getF32Type();
    read = builder.create<ReadOp>(
        emitter.loc, RankedTensorType::get(parameter.shape, element),
        parameter.name, emitter.scope);
  }
  if (!transposed)
    return Operand(read);
  return emitter.transpose(read, {1, 0});
}

FailureOr<Operand> Importer::operandOf(const Node &node, unsigned i) {
  FailureOr<Operand> value = valueOf(node, i);
  if (failed(value) || !stops.operands.contains({&node, i}))
    return value;
  return emitter.stopGradient(*value);
}

FailureOr<Operand> Importer::valueOf(const Node &node, unsigned i) {
  const std::string &name = node.inputs[i];
  if (name.empty())
    return Operand();
  auto use = parameters.uses.find({&node, i});
  if (use != parameters.uses.end())
    return readParameter(use->second.parameter, use->second.transposed);
  auto known = values.find(name);
  if (known != values.end())
    return known->second;
  auto weight = parameters.weights.find(name);
  if (weight == parameters.weights.end())
    return emitter.error() << "input '" << name
                           << "' is defined by nothing before it";
  auto tensor = data.load(*weight->second);
  if (failed(tensor))
    return failure();
  return values[name] = Operand(std::move(*tensor));
}

SmallVector<Value> Importer::keepNode(const Node &node, ArrayRef<Operand> in,
                                      TypeRange types) {
  SmallVector<Value> operands;
  for (const Operand &x : in)
    if (x.present() && !x.sequence)
      operands.push_back(emitter.materialize(x));
  auto op = builder.create<NodeOp>(
      emitter.loc, types, builder.getStringAttr(node.opType),
      builder.getStringAttr(node.domain),
      builder.getI64IntegerAttr(node.version), builder.getStringAttr(node.name),
      attributesOf(node, builder, data), operands,
      builder.getStringAttr(emitter.scope));
  return SmallVector<Value>(op->getResults());
}

/// A node outside the set. Its results have the types that the file states;
/// where it states none, what reads them is kept in the same way.
LogicalResult Importer::keepUnsupported(const Node &node,
                                        NodeContext &context) {
  SmallVector<Type> types = statedTypes(graph, node, options, builder);
  unsigned before = errorCount;
  SmallVector<Value> results = keepNode(node, context.in, types);
  if (errorCount != before) // an attribute that cannot be loaded
    return failure();
  context.out.assign(results.begin(), results.end());
  // Supported operators are kept only because of their operands.
  bool inSet = node.domain.empty() &&
               (handlers.count(node.opType) || !node.regions.empty()) &&
               llvm::any_of(context.in, [](const Operand &x) {
                 return x.present() && !x.isTensor();
               });
  if (inSet && !results.empty())
    results.front().getDefiningOp()->setAttr("unresolved",
                                             builder.getUnitAttr());
  return success();
}

/// Puts a bias of zeros that the exporter dropped back in.
LogicalResult Importer::addDroppedBias(const Node &node, NodeContext &context,
                                       DroppedBias dropped) {
  Parameter &parameter = parameters.parameters[dropped.parameter];
  bool norm = node.opType == "LayerNormalization";
  Operand &beside = norm ? context.in[1] : context.out[0];
  if (parameter.shape.empty() && !parameter.source)
    parameter.shape = SmallVector<int64_t>(norm ? beside.shape()
                                                : beside.shape().take_back());
  FailureOr<Operand> bias = readParameter(dropped.parameter, false);
  if (succeeded(bias) && dropped.scale != 1)
    bias = emitter.binary(Binary::Mul, *bias,
                          emitter.scalarLike(*bias, dropped.scale));
  if (failed(bias))
    return failure();
  if (norm) {
    context.in.resize(3);
    context.in[2] = *bias;
    return success();
  }
  MaybeOperand sum = emitter.binary(Binary::Add, context.out[0], *bias);
  if (failed(sum))
    return failure();
  context.out[0] = *sum;
  return success();
}

LogicalResult Importer::dispatch(const Node &node, NodeContext &context) {
  auto handler = handlers.find(node.opType);
  bool resolved = llvm::all_of(context.in, [&](const Operand &x) {
    return !x.present() || x.isTensor() ||
           (x.sequence && takesSequence(node.opType));
  });
  if (!node.domain.empty() || handler == handlers.end() || !resolved)
    return keepUnsupported(node, context);
  unsigned before = errorCount;
  for (size_t i = 0, count = requiredOperands(node); i < count; ++i)
    if (!context.has(i))
      return emitter.error() << "operand " << i << " is missing";
  if (failed(context.checkAttributes()))
    return failure();
  if (succeeded(handler->second(context)))
    return success();
  if (errorCount != before)
    return failure();
  context.out.clear();
  return keepUnsupported(node, context);
}

LogicalResult Importer::importNode(const Node &node) {
  current = &node;
  emitter.loc = NameLoc::get(builder.getStringAttr(node.name), loc);
  emitter.scope = parameters.containers.resolve(scopeOf(node));
  if (failed(checkDropoutMode(graph, node, emitter.loc)))
    return failure();
  NodeContext context{node, emitter, {}, {}, data, {}, logSoftmax, nanTests};
  if (auto row = parameters.paddingRows.find(&node);
      row != parameters.paddingRows.end())
    context.paddingRow = row->second;
  for (unsigned i = 0; i < node.inputs.size(); ++i) {
    FailureOr<Operand> operand = operandOf(node, i);
    if (failed(operand))
      return failure();
    if (operand->constant &&
        operand->constant->numElements() > maxConstantElements)
      return emitter.error()
             << "operand " << i << " is a constant of "
             << operand->constant->numElements() << " elements, expected "
             << maxConstantElements << " at most: give smaller --dim";
    context.in.push_back(std::move(*operand));
  }
  auto dropped = parameters.droppedBiases.find(&node);
  bool restores = dropped != parameters.droppedBiases.end();
  bool norm = node.opType == "LayerNormalization";
  if (restores && norm &&
      failed(addDroppedBias(node, context, dropped->second)))
    return failure();
  if (failed(node.regions.empty() ? dispatch(node, context)
                                  : importControl(node, context)))
    return failure();
  if (restores && !norm &&
      failed(addDroppedBias(node, context, dropped->second)))
    return failure();
  for (auto [i, output] : llvm::enumerate(node.outputs)) {
    if (output.empty())
      continue;
    if (i >= context.out.size())
      return emitter.error() << "result " << i << " is more than it has";
    if (failed(define(output, context.out[i])))
      return failure();
  }
  return success();
}

LogicalResult Importer::define(const std::string &name, Operand value) {
  constexpr int64_t maxRank = 64;
  if (value.isTensor() && value.rank() > maxRank)
    return emitter.error() << "result '" << name << "' has rank "
                           << value.rank() << ", expected " << maxRank
                           << " at most";
  if (stops.results.contains(name)) {
    auto stopped = emitter.stopGradient(value);
    if (failed(stopped))
      return failure();
    value = *stopped;
  }
  values[name] = value;
  return success();
}

/// Constants live only as long as something reads them: masks of long
/// sequences are large.
void Importer::releaseInputs(const Node &node) {
  for (const std::string &input : node.inputs)
    if (--readers[input] == 0)
      if (auto it = values.find(input);
          it != values.end() && it->second.constant)
        it->second = Operand(Tensor());
}

LogicalResult Importer::importRange(size_t begin, size_t end) {
  for (size_t i = begin; i < end;) {
    const Node &node = graph.nodes[i];
    i = node.regions.empty() ? i + 1 : node.regions.back().end;
    // An Identity of an initializer is another name of it.
    if (node.outputs.size() == 1 && node.opType == "Identity" &&
        parameters.weights.count(node.outputs[0]))
      continue;
    if (failed(importNode(node)))
      return failure();
    // What a body reads, it may read again.
    if (!node.inBody)
      releaseInputs(node);
  }
  return success();
}

LogicalResult Importer::importNodes() {
  for (const Node &node : graph.nodes)
    for (const std::string &input : node.inputs)
      ++readers[input];
  for (const Node &node : graph.nodes)
    for (const Region &region : node.regions)
      for (const ValueRecord &output : region.outputs)
        ++readers[output.name];
  for (const ValueRecord &output : graph.outputs)
    ++readers[output.name];
  // A result that nothing reads is not asked for.
  for (Node &node : graph.nodes)
    for (size_t i = 1; i < node.outputs.size(); ++i)
      if (!readers.count(node.outputs[i]))
        node.outputs[i].clear();
  if (failed(importRange(0, graph.nodes.size())))
    return failure();
  current = nullptr;
  return success();
}

OwningOpRef<ModuleOp> Importer::run() {
  MLIRContext *context = builder.getContext();
  if (failed(checkRecordedCalls(graph, loc)) ||
      failed(findStops(graph, options, loc, stops)) ||
      failed(declareInputParameters(graph, options, loc)) ||
      failed(recoverParameters(graph, options, data, loc, parameters)) ||
      failed(checkDroppedSums(graph, loc)) ||
      failed(checkMergedCalls(graph, parameters, stops, loc)))
    return nullptr;
  module = ModuleOp::create(loc);
  (*module)->setAttr("onnx.model", builder.getStringAttr(graph.fileName));
  builder.setInsertionPointToEnd(module->getBody());
  function = builder.create<func::FuncOp>(loc, "forward",
                                          FunctionType::get(context, {}, {}));
  if (failed(addInputs()) || failed(importNodes()) || failed(addOutputs()))
    return nullptr;
  eraseDead();
  if (failed(checkInputsAreRead(graph, function, loc)))
    return nullptr;
  builder.setInsertionPoint(function);
  if (failed(emitParameters(graph, options, data, builder, loc, parameters)) ||
      failed(verify(*module)))
    return nullptr;
  return std::move(module);
}

OwningOpRef<ModuleOp> fsdp::onnx::importOnnx(StringRef path,
                                             const ImportOptions &options,
                                             MLIRContext *context) {
  context->loadDialect<OnnxDialect, func::FuncDialect>();
  auto loc = FileLineColLoc::get(context, path, 0, 0);
  std::unique_ptr<Graph> graph = readGraph(path, loc);
  if (!graph)
    return nullptr;
  return Importer(*graph, options, context).run();
}
