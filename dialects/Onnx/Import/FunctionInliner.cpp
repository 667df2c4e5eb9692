//===- FunctionInliner.cpp - Local functions are inlined ------------------===//
#include "dialects/Onnx/Import/FunctionInliner.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace fsdp::onnx;

void fsdp::onnx::renameValues(
    Node &node, llvm::function_ref<void(std::string &name)> rename) {
  llvm::for_each(node.inputs, rename);
  llvm::for_each(node.outputs, rename);
  for (Body &body : node.bodies) {
    llvm::for_each(body.inputs, rename);
    for (std::vector<ValueRecord> *records : {&body.outputs, &body.values})
      for (ValueRecord &record : *records)
        rename(record.name);
    for (TensorRecord &record : body.initializers)
      rename(record.name);
    for (Node &inner : body.nodes)
      renameValues(inner, rename);
  }
}

/// Gives attributes that refer to the call's their values, the function's
/// defaults, or leaves them out.
static void bindAttributes(Node &node, const FunctionRecord &function,
                           const Node &call) {
  std::vector<std::string> absent;
  for (auto &entry : node.attributes) {
    StringRef reference = entry.second.s;
    if (!reference.consume_front(functionReferencePrefix))
      continue;
    std::string from = reference.str();
    if (auto it = call.attributes.find(from); it != call.attributes.end())
      entry.second = it->second;
    else if (auto it = function.defaults.find(from);
             it != function.defaults.end())
      entry.second = it->second;
    else
      absent.push_back(entry.first().str());
  }
  for (const std::string &name : absent)
    node.attributes.erase(name);
  for (Body &body : node.bodies)
    for (Node &inner : body.nodes)
      bindAttributes(inner, function, call);
}

std::vector<Node> FunctionInliner::instantiate(const FunctionRecord &function,
                                               const Node &call) {
  llvm::StringMap<std::string> names;
  names[""] = "";
  for (auto [i, input] : llvm::enumerate(function.inputs))
    names[input] = i < call.inputs.size() ? call.inputs[i] : "";
  for (auto [i, output] : llvm::enumerate(function.outputs))
    if (i < call.outputs.size() && !call.outputs[i].empty())
      names[output] = call.outputs[i];
  std::string prefix = call.name + "/" + std::to_string(instances++) + "/";
  std::vector<Node> result = function.nodes;
  for (Node &node : result) {
    renameValues(node, [&](std::string &name) {
      name = names.try_emplace(name, prefix + name).first->second;
    });
    bindAttributes(node, function, call);
    node.name = call.name + "/" + node.name;
    if (node.fxNode.empty())
      node.fxNode = call.fxNode;
    if (node.nameScopes.empty())
      node.nameScopes = call.nameScopes;
  }
  return result;
}

LogicalResult FunctionInliner::run(std::vector<Node> nodes,
                                   std::vector<Node> &out, unsigned depth) {
  if (depth > 64)
    return mlir::emitError(loc)
           << "local functions call each other more than 64 deep";
  for (Node &node : nodes) {
    for (Body &body : node.bodies) {
      std::vector<Node> inlined;
      if (failed(run(std::move(body.nodes), inlined, depth + 1)))
        return failure();
      body.nodes = std::move(inlined);
    }
    auto it = functions.find(key(node.domain, node.opType));
    if (it == functions.end()) {
      out.push_back(std::move(node));
      continue;
    }
    if (out.size() > 10'000'000)
      return mlir::emitError(loc)
             << "local functions expand to more than 10,000,000 nodes";
    if (failed(run(instantiate(it->second, node), out, depth + 1)))
      return failure();
  }
  return success();
}
