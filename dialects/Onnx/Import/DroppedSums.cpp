//===- DroppedSums.cpp - Additions that the optimizer took for none -------===//
#include "dialects/Onnx/Import/DroppedSums.h"
#include "dialects/Onnx/Import/CallRoles.h"
#include "dialects/Onnx/Import/RecordedValues.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

/// Whether a value has the name of a sum's or a difference's call (add, add_1).
static bool isSum(StringRef value) {
  StringRef call = value.rtrim("0123456789");
  if (call != value && !call.consume_back("_"))
    return false;
  return llvm::is_contained({"add", "sub", "rsub"}, call);
}

namespace {
/// An operand that PyTorch reads after a sum which is gone.
struct Dropped {
  const Node *node;
  std::string operand, sum;
};

class Finder {
public:
  explicit Finder(const Graph &graph) : recorded(graph) {
    for (const Node &node : graph.nodes) {
      for (const std::string &output : node.outputs)
        producers[output] = &node;
      for (const std::string &input : node.inputs)
        readers[input].push_back(&node);
    }
    for (const auto &[text, call] : recorded.calls()) {
      llvm::StringSet<> named;
      for (const std::string &value : call.record.values())
        if (named.insert(value).second)
          ++readingCalls[value];
    }
  }
  SmallVector<Dropped> find();
  bool countsMuch(const Dropped &dropped);

private:
  void findIn(const Call &call, SmallVectorImpl<Dropped> &found);
  bool isGone(StringRef value) {
    return !recorded.isDefined(value) && !recorded.isPlaceholder(value);
  }
  bool isMerged(StringRef operand);
  bool isComputed(StringRef operand) {
    return producers.count(operand) || recorded.isInput(operand);
  }

  RecordedValues recorded;
  llvm::StringMap<const Node *> producers;
  llvm::StringMap<SmallVector<const Node *>> readers;
  llvm::StringMap<unsigned> readingCalls;
};
} // namespace

/// Whether `operand` is a sum itself, and all that read it are known: then the
/// one that is gone was equal to it, and both became one.
bool Finder::isMerged(StringRef operand) {
  const Node *producer = producers.lookup(operand);
  CallRecord call = parseCall(producer ? producer->fxNode : "");
  return llvm::is_contained({"add", "sub", "rsub"}, call.target) &&
         call.users == readingCalls.lookup(call.result);
}

void Finder::findIn(const Call &call, SmallVectorImpl<Dropped> &found) {
  std::vector<std::string> values = call.record.values();
  SmallVector<StringRef> sums;
  size_t open = 0;
  for (StringRef value : values)
    if (isGone(value))
      isSum(value) ? sums.push_back(value) : void(++open);
  if (sums.empty())
    return;
  auto add = [&](const Node *node, StringRef operand, StringRef sum) {
    if (isComputed(operand) && !recorded.isWhole(operand) && !isMerged(operand))
      found.push_back({node, operand.str(), sum.str()});
  };
  const Node *node = call.nodes.front();
  if (call.nodes.size() == 1 && node->inputs.size() >= values.size()) {
    for (auto [i, input] : llvm::enumerate(node->inputs)) {
      StringRef value =
          call.record.value(argumentFor(call.record, *node, i).index);
      if (llvm::is_contained(sums, value))
        add(node, input, value);
    }
    return;
  }
  Names others = recorded.otherOperands(call);
  if (others.size() <= open)
    return;
  for (const Node *reader : call.nodes)
    for (const std::string &input : reader->inputs)
      if (others.contains(input))
        add(reader, input, sums.front());
}

SmallVector<Dropped> Finder::find() {
  SmallVector<Dropped> found;
  for (const auto &[text, call] : recorded.calls())
    findIn(call, found);
  return found;
}

/// A power of 1 or more, as its call has it: a small number stays small in it.
static bool isGentlePower(const Node &node) {
  CallRecord call = parseCall(node.fxNode);
  double exponent;
  return call.target == "pow" &&
         !call.argument(1, "exponent").getAsDouble(exponent) && exponent >= 1;
}

/// Whether a small change of the operand may be a large one of the result.
static bool isSteep(const Node &node, StringRef operand) {
  if (node.opType == "Div")
    return node.inputs.size() == 2 && node.inputs[1] == operand;
  if (node.opType == "Pow")
    return !isGentlePower(node);
  return llvm::is_contained({"Sqrt", "Reciprocal", "Log", "ReduceL2",
                             "LpNormalization", "ReduceLogSum", "Mod"},
                            node.opType);
}

/// Whether the result changes as the operands do, or less.
static bool isEven(const Node &node) {
  // A square: what follows it sees less of a small number.
  if (node.opType == "Mul" && node.inputs.size() == 2 &&
      node.inputs[0] == node.inputs[1])
    return false;
  return llvm::is_contained(
      {"Abs",       "Add",        "Cast",      "Concat",    "Div",
       "Expand",    "Flatten",    "Gather",    "GatherND",  "Identity",
       "Max",       "Min",        "Mul",       "Neg",       "Pad",
       "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu",
       "Reshape",   "Slice",      "Split",     "Squeeze",   "Sub",
       "Sum",       "Tile",       "Transpose", "Unsqueeze", "Where"},
      node.opType);
}

/// Follows the sum to what reads it, through all that keeps its size.
bool Finder::countsMuch(const Dropped &dropped) {
  if (isSteep(*dropped.node, dropped.operand))
    return true;
  SmallVector<const Node *> open = {dropped.node};
  llvm::SmallPtrSet<const Node *, 16> seen;
  while (!open.empty()) {
    const Node *node = open.pop_back_val();
    if (!seen.insert(node).second || !isEven(*node))
      continue;
    for (const std::string &output : node->outputs)
      for (const Node *reader : readers.lookup(output)) {
        if (isSteep(*reader, output))
          return true;
        open.push_back(reader);
      }
  }
  return false;
}

LogicalResult fsdp::onnx::checkDroppedSums(const Graph &graph, Location loc) {
  Finder finder(graph);
  SmallVector<Dropped> found = finder.find();
  auto steep = llvm::find_if(
      found, [&](const Dropped &each) { return finder.countsMuch(each); });
  if (steep != found.end())
    return mlir::emitError(loc)
           << "node '" << steep->node->name << "' (" << steep->node->opType
           << ", scope '" << scopeOf(*steep->node) << "') reads '"
           << steep->operand << "' where PyTorch reads '" << steep->sum
           << "', its sum with a number of at most 1e-8, which the exporter's "
              "optimizer took for 0 and dropped; before a division, a root or "
              "a logarithm it counts: export with optimize=False, or with an "
              "epsilon above 1e-8";
  llvm::StringSet<> said;
  for (const Dropped &each : found) {
    if (!said.insert(each.sum).second)
      continue;
    mlir::emitWarning(loc)
        << "node '" << each.node->name << "' (" << each.node->opType
        << ", scope '" << scopeOf(*each.node) << "') reads '" << each.operand
        << "' where PyTorch reads '" << each.sum
        << "', its sum with a number of at most 1e-8, which the exporter's "
           "optimizer dropped; it is taken for 0";
  }
  return success();
}
