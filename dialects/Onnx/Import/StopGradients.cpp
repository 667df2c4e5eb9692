//===- StopGradients.cpp - Values read without gradient -------------------===//
#include "dialects/Onnx/Import/StopGradients.h"
#include "dialects/Onnx/Glob.h"
#include "dialects/Onnx/Import/RecordedValues.h"

#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

/// A detach that the exporter wrote as a node.
static bool isDetach(const Node &node) {
  return node.opType == "Identity" && parseCall(node.fxNode).target == "detach";
}

/// The number of the detach whose value has this name (detach, detach_1, ...).
static std::optional<unsigned> detachNumber(StringRef name) {
  if (!name.consume_front("detach"))
    return std::nullopt;
  unsigned number = 0;
  if (name.empty())
    return number;
  if (!name.consume_front("_") || name.getAsInteger(10, number))
    return std::nullopt;
  return number;
}

namespace {
class Finder {
public:
  Finder(const Graph &graph, Location loc, StopTable &table)
      : graph(graph), loc(loc), table(table), recorded(graph) {}
  LogicalResult run();

private:
  LogicalResult visit(const Call &call);
  bool stopInOrder(const Node &node, ArrayRef<std::string> values);
  LogicalResult checkNumbers();
  bool isRemoved(StringRef value) {
    return detachNumber(value) && !recorded.isDefined(value);
  }
  InFlightDiagnostic unclear(const Node &node, StringRef value) {
    return mlir::emitError(loc)
           << "PyTorch reads '" << value << "' without gradient (detach) in a "
           << "call that became node '" << node.name
           << "', but which of its operands that is the exporter's optimizer "
              "removed: export with optimize=False";
  }

  const Graph &graph;
  Location loc;
  StopTable &table;
  RecordedValues recorded;
};
} // namespace

/// Where the operands of a call's only node are its values, one by one.
bool Finder::stopInOrder(const Node &node, ArrayRef<std::string> values) {
  if (node.inputs.size() != values.size())
    return false;
  for (auto [input, value] : llvm::zip(node.inputs, values))
    if (recorded.isDefined(value) && input != value)
      return false;
  for (auto [i, value] : llvm::enumerate(values))
    if (isRemoved(value))
      table.operands.insert({&node, unsigned(i)});
  return true;
}

LogicalResult Finder::visit(const Call &call) {
  std::vector<std::string> values = call.record.values();
  Names removed, open;
  for (StringRef value : values) {
    if (isRemoved(value))
      removed.insert(value);
    else if (!recorded.isDefined(value) && !recorded.isPlaceholder(value))
      open.insert(value);
  }
  if (removed.empty())
    return success();
  if (call.nodes.size() == 1 && stopInOrder(*call.nodes.front(), values))
    return success();
  Names others = recorded.otherOperands(call);
  if (!open.empty() || others.size() != removed.size())
    return unclear(*call.nodes.front(), removed.front());
  for (const Node *node : call.nodes)
    for (auto [i, input] : llvm::enumerate(node->inputs))
      if (others.contains(input))
        table.operands.insert({node, unsigned(i)});
  return success();
}

/// PyTorch numbers its values: one that no record names was removed together
/// with all that reads it under its own name.
LogicalResult Finder::checkNumbers() {
  llvm::SmallSet<unsigned, 8> numbers;
  std::optional<unsigned> last;
  for (const Node &node : graph.nodes) {
    CallRecord call = parseCall(node.fxNode);
    std::vector<std::string> names = call.values();
    names.push_back(call.result);
    for (StringRef name : names)
      if (auto number = detachNumber(name)) {
        numbers.insert(*number);
        last = std::max(last.value_or(0), *number);
      }
  }
  for (unsigned i = 0; last && i < *last; ++i)
    if (!numbers.contains(i))
      return mlir::emitError(loc)
             << "PyTorch reads '"
             << (i ? "detach_" + std::to_string(i) : "detach")
             << "' without gradient, but the exporter's optimizer removed all "
                "records of it: export with optimize=False";
  return success();
}

LogicalResult Finder::run() {
  for (const Node &node : graph.nodes)
    if (isDetach(node))
      table.operands.insert({&node, 0});
  bool anyRemoved = false;
  for (auto &[text, call] : recorded.calls()) {
    if (isDetach(*call.nodes.front()))
      continue;
    anyRemoved |= llvm::any_of(call.record.values(),
                               [&](StringRef v) { return isRemoved(v); });
    if (failed(visit(call)))
      return failure();
  }
  return anyRemoved ? checkNumbers() : success();
}

/// What `--stop-gradient` names has to be a value that a node computes.
static LogicalResult takeOptions(const Graph &graph,
                                 const ImportOptions &options, Location loc,
                                 StopTable &table) {
  if (options.stopGradients.empty())
    return success();
  std::vector<std::string> names;
  for (const Node &node : graph.nodes)
    llvm::copy_if(node.outputs, std::back_inserter(names),
                  [](const std::string &name) { return !name.empty(); });
  for (const std::string &value : options.stopGradients) {
    if (graph.initializer(value))
      return mlir::emitError(loc)
             << "--stop-gradient '" << value
             << "' names an initializer, which no node computes: use --freeze "
             << value << " where it is a parameter";
    if (!llvm::is_contained(names, value))
      return mlir::emitError(loc)
             << "--stop-gradient '" << value
             << "' names no value that a node computes; nearest: "
             << fsdp::nearestNames(value, names);
    table.results.insert(value);
  }
  return success();
}

LogicalResult fsdp::onnx::findStops(const Graph &graph,
                                    const ImportOptions &options, Location loc,
                                    StopTable &table) {
  if (failed(takeOptions(graph, options, loc, table)))
    return failure();
  return Finder(graph, loc, table).run();
}
