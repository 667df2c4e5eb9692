//===- ControlFlow.cpp - Branches and bodies in one line of nodes ---------===//
#include "dialects/Onnx/Import/ControlFlow.h"
#include "dialects/Onnx/Import/FunctionInliner.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

namespace {
class Flattener {
public:
  Flattener(Graph &graph, Location loc) : graph(graph), loc(loc) {}
  LogicalResult append(std::vector<Node> nodes, bool inBody);

private:
  LogicalResult appendRegions(size_t control, std::vector<Body> bodies);
  void rename(Body &body, const std::string &prefix);
  LogicalResult addInitializers(std::vector<TensorRecord> records);

  Graph &graph;
  Location loc;
  unsigned regions = 0;
};
} // namespace

/// The attributes of a control node that hold its regions, in their order.
static SmallVector<StringRef> regionAttributes(const Node &node) {
  if (!node.domain.empty())
    return {};
  if (node.opType == "If")
    return {"then_branch", "else_branch"};
  if (node.opType == "Loop")
    return {"body"};
  return {};
}

/// What the body defines gets a name that no other graph uses; an initializer
/// keeps its own where that is free.
void Flattener::rename(Body &body, const std::string &prefix) {
  llvm::StringMap<std::string> names;
  auto define = [&](const std::string &name) {
    if (!name.empty())
      names[name] = prefix + name;
  };
  for (const TensorRecord &record : body.initializers)
    names[record.name] = graph.initializerIndex.count(record.name)
                             ? prefix + record.name
                             : record.name;
  llvm::for_each(body.inputs, define);
  for (const Node &node : body.nodes)
    llvm::for_each(node.outputs, define);
  Node whole;
  whole.bodies.push_back(std::move(body));
  renameValues(whole, [&](std::string &name) {
    if (auto it = names.find(name); it != names.end())
      name = it->second;
  });
  body = std::move(whole.bodies.front());
}

LogicalResult Flattener::addInitializers(std::vector<TensorRecord> records) {
  for (TensorRecord &record : records) {
    auto [it, isNew] = graph.initializerIndex.try_emplace(
        record.name, graph.initializers.size());
    if (!isNew)
      return mlir::emitError(loc)
             << "initializer '" << record.name << "' is there twice";
    graph.initializers.push_back(std::move(record));
  }
  return success();
}

LogicalResult Flattener::appendRegions(size_t control,
                                       std::vector<Body> bodies) {
  // By value: the graph's nodes move as it grows.
  std::string name = graph.nodes[control].name;
  std::vector<fsdp::onnx::Region> added;
  for (StringRef attribute : regionAttributes(graph.nodes[control])) {
    auto body = llvm::find_if(
        bodies, [&](const Body &b) { return b.attribute == attribute; });
    if (body == bodies.end())
      return mlir::emitError(loc)
             << "node '" << name << "' (" << graph.nodes[control].opType
             << ") has no graph '" << attribute << "'";
    rename(*body, name + "/" + std::to_string(regions++) + "/");
    fsdp::onnx::Region region;
    region.begin = graph.nodes.size();
    region.inputs = std::move(body->inputs);
    region.outputs = std::move(body->outputs);
    for (ValueRecord &value : body->values)
      graph.values[value.name] = std::move(value);
    for (const ValueRecord &output : region.outputs)
      graph.values.try_emplace(output.name, output);
    if (failed(addInitializers(std::move(body->initializers))) ||
        failed(append(std::move(body->nodes), /*inBody=*/true)))
      return failure();
    region.end = graph.nodes.size();
    added.push_back(std::move(region));
  }
  graph.nodes[control].regions = std::move(added);
  return success();
}

LogicalResult Flattener::append(std::vector<Node> nodes, bool inBody) {
  for (Node &node : nodes) {
    std::vector<Body> bodies = std::move(node.bodies);
    node.bodies.clear();
    node.inBody = inBody;
    graph.nodes.push_back(std::move(node));
    if (failed(appendRegions(graph.nodes.size() - 1, std::move(bodies))))
      return failure();
  }
  return success();
}

LogicalResult fsdp::onnx::flattenBodies(std::vector<Node> nodes, Graph &graph,
                                        Location loc) {
  return Flattener(graph, loc).append(std::move(nodes), /*inBody=*/false);
}
