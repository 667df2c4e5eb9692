//===- RecordedValues.cpp - Calls and the values they name ----------------===//
#include "dialects/Onnx/Import/RecordedValues.h"
#include "dialects/Onnx/Import/Parameters.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

RecordedValues::RecordedValues(const Graph &graph) : graph(graph) {
  for (const ValueRecord &input : graph.inputs) {
    defined.insert(input.name);
    inputs.insert(input.name);
  }
  for (const TensorRecord &record : graph.initializers)
    defined.insert(record.name);
  for (const Node &node : graph.nodes) {
    for (const std::string &output : node.outputs)
      defined.insert(output);
    CallRecord record = parseCall(node.fxNode);
    if (!record.valid() || node.inBody)
      continue;
    Call &call = allCalls[node.fxNode];
    call.record = std::move(record);
    call.nodes.push_back(&node);
  }
  auto signature =
      graph.metadata.find("pkg.torch.export.ExportedProgram.graph_signature");
  if (signature != graph.metadata.end())
    for (const SignatureLine &line : parseSignature(signature->second))
      placeholders.insert(line.placeholder);
}

bool RecordedValues::isWhole(StringRef value) const {
  auto info = graph.values.find(value);
  return info != graph.values.end() && info->second.dataType &&
         !isFloatData(info->second.dataType);
}

Names RecordedValues::otherOperands(const Call &call) const {
  std::vector<std::string> values = call.record.values();
  llvm::StringSet<> own;
  for (const Node *node : call.nodes)
    for (const std::string &output : node->outputs)
      own.insert(output);
  Names others;
  for (const Node *node : call.nodes)
    for (const std::string &input : node->inputs)
      if (!input.empty() && !isWhole(input) && !own.contains(input) &&
          !graph.initializer(input) && !llvm::is_contained(values, input))
        others.insert(input);
  return others;
}
