//===- FunctionInliner.cpp - Local functions are inlined ------------------===//
#include "dialects/Onnx/Import/FunctionInliner.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace fsdp::onnx;

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
  auto rename = [&](std::string &name) {
    name = names.try_emplace(name, prefix + name).first->second;
  };
  std::vector<Node> result = function.nodes;
  for (Node &node : result) {
    llvm::for_each(node.inputs, rename);
    llvm::for_each(node.outputs, rename);
    node.name = call.name + "/" + node.name;
    if (node.fxNode.empty())
      node.fxNode = call.fxNode;
    if (node.nameScopes.empty())
      node.nameScopes = call.nameScopes;
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
  }
  return result;
}

LogicalResult FunctionInliner::run(std::vector<Node> nodes,
                                   std::vector<Node> &out, unsigned depth) {
  if (depth > 64)
    return mlir::emitError(loc)
           << "local functions call each other more than 64 deep";
  for (Node &node : nodes) {
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
