//===- ImportedFunction.cpp - Arguments and results of an import ----------===//
#include "dialects/Onnx/Import/Dims.h"
#include "dialects/Onnx/Import/Importer.h"
#include "dialects/Onnx/Import/ProtoTypes.h"

using namespace mlir;
using namespace fsdp::onnx;

LogicalResult Importer::addInputs() {
  auto shapes = bindDims(graph, options, loc);
  if (failed(shapes))
    return failure();
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToEnd(body);
  for (auto [input, shape] : llvm::zip(graph.inputs, *shapes)) {
    Type element = elementTypeOf(input.dataType, builder.getContext());
    if (!element)
      return mlir::emitError(loc) << "input '" << input.name << "' has "
                                  << describeUnsupportedType(input.dataType);
    const std::pair<std::string, int64_t> *bind = nullptr;
    for (const auto &candidate : options.binds)
      if (candidate.first == input.name)
        bind = &candidate;
    if (bind) {
      values[input.name] = Tensor::splat(element, shape, bind->second);
      continue;
    }
    auto name = builder.getStringAttr(input.name);
    unsigned index = body->getNumArguments();
    auto attributes =
        builder.getDictionaryAttr(builder.getNamedAttr("onnx.name", name));
    function.insertArgument(index, RankedTensorType::get(shape, element),
                            attributes, NameLoc::get(name));
    values[input.name] = Operand(Value(body->getArgument(index)));
  }
  return success();
}

LogicalResult Importer::addOutputs() {
  SmallVector<Value> results;
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  emitter.loc = loc;
  emitter.scope = "";
  for (const ValueRecord &output : graph.outputs) {
    auto it = values.find(output.name);
    if (it == values.end() || !it->second.present() || it->second.sequence)
      return mlir::emitError(loc) << "output '" << output.name
                                  << "' is no tensor that a node defines";
    results.push_back(emitter.materialize(it->second));
    types.push_back(results.back().getType());
    attributes.push_back(builder.getDictionaryAttr(
        builder.getNamedAttr("onnx.name", builder.getStringAttr(output.name))));
  }
  builder.create<func::ReturnOp>(loc, results);
  function.setType(FunctionType::get(builder.getContext(),
                                     function.getArgumentTypes(), types));
  function.setAllResultAttrs(attributes);
  return success();
}

void Importer::eraseDead() {
  Block &body = function.getBody().front();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
    if (op.use_empty() && !op.hasTrait<OpTrait::IsTerminator>())
      op.erase();
}
