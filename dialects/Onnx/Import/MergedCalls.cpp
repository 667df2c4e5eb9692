//===- MergedCalls.cpp - Calls that the optimizer took for others ---------===//
#include "dialects/Onnx/Import/MergedCalls.h"
#include "dialects/Onnx/Import/RecordedValues.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

/// The call that gave a value its name: "sigmoid" of "sigmoid_1".
static StringRef callName(StringRef value) {
  StringRef name = value.rtrim("0123456789");
  return name != value && name.consume_back("_") ? name : value;
}

/// Calls that the optimizer removes where they change nothing: copies, views to
/// the same shape, whole slices, products with 1 (see DroppedSums of sums).
static bool mayCopy(StringRef call) {
  return llvm::is_contained({"_to_copy", "_unsafe_view", "alias", "clone",
                             "contiguous", "div", "expand", "mul", "reshape",
                             "slice", "view"},
                            call);
}

/// Whether a node stands for several calls and has the record of the last.
static bool isFused(const Node &node) {
  return llvm::is_contained({"Attention", "Gelu", "LayerNormalization",
                             "RMSNormalization", "RotaryEmbedding"},
                            node.opType);
}

namespace {
class Finder {
public:
  Finder(const Graph &graph, const ParameterTable &parameters,
         const StopTable &stops);
  /// What is gone, as text for a message.
  std::vector<std::string> find();
  bool tellsOfDetach() const { return anyDetach; }

private:
  void findIn(const Call &call);
  bool isGone(StringRef value) {
    return !recorded.isDefined(value) && !recorded.isPlaceholder(value) &&
           callName(value) != "detach";
  }
  Names unnamedOperands(const Call &call);
  void note(StringRef value, StringRef how, StringRef operand);
  bool isMerged(StringRef value, StringRef operand);
  bool carriesGradient(const Node &node, unsigned operand,
                       const ParameterTable &parameters);

  RecordedValues recorded;
  llvm::StringMap<const Node *> producers;
  /// Values that a parameter has a gradient through.
  llvm::StringSet<> trained;
  /// How many calls name a value.
  llvm::StringMap<unsigned> readingCalls;
  std::vector<std::string> gone;
  bool anyDetach = false;
};
} // namespace

Finder::Finder(const Graph &graph, const ParameterTable &parameters,
               const StopTable &stops)
    : recorded(graph) {
  for (const Node &node : graph.nodes) {
    bool isTrained = false;
    for (unsigned i = 0; i < node.inputs.size(); ++i)
      isTrained |= carriesGradient(node, i, parameters);
    for (const std::string &output : node.outputs) {
      producers[output] = &node;
      if (isTrained && !recorded.isWhole(output) &&
          !stops.results.contains(output))
        trained.insert(output);
    }
  }
  for (const auto &[text, call] : recorded.calls()) {
    llvm::StringSet<> named;
    anyDetach |= callName(call.record.result) == "detach";
    for (const std::string &value : call.record.values()) {
      anyDetach |= callName(value) == "detach";
      if (named.insert(value).second)
        ++readingCalls[value];
    }
  }
}

/// Whatever a detach stops: of two calls that became one it may be the other's.
bool Finder::carriesGradient(const Node &node, unsigned operand,
                             const ParameterTable &parameters) {
  auto use = parameters.uses.find({&node, operand});
  if (use == parameters.uses.end())
    return trained.contains(node.inputs[operand]);
  const Parameter &parameter = parameters.parameters[use->second.parameter];
  return !parameter.buffer && !parameter.frozen;
}

/// Whether `operand` is the result of such a call as `value` was.
bool Finder::isMerged(StringRef value, StringRef operand) {
  CallRecord call = parseCall(producers.lookup(operand)->fxNode);
  StringRef name = callName(value);
  return call.result != value &&
         (call.target == name || callName(operand) == name);
}

void Finder::note(StringRef value, StringRef how, StringRef operand) {
  std::string text = ("'" + value + "' (" + how + " '" + operand + "')").str();
  if (!llvm::is_contained(gone, text))
    gone.push_back(std::move(text));
}

/// The operands that the call's nodes read and its record does not name, or
/// less often: they stand for what is gone.
Names Finder::unnamedOperands(const Call &call) {
  std::vector<std::string> values = call.record.values();
  Names operands = recorded.otherOperands(call);
  const std::vector<std::string> &inputs = call.nodes.front()->inputs;
  if (call.nodes.size() == 1)
    for (const std::string &input : inputs)
      if (llvm::count(inputs, input) > llvm::count(values, input))
        operands.insert(input);
  operands.remove_if([&](StringRef name) { return !trained.contains(name); });
  return operands;
}

void Finder::findIn(const Call &call) {
  std::vector<std::string> values = call.record.values();
  llvm::SetVector<StringRef> missing;
  for (StringRef value : values)
    if (isGone(value))
      missing.insert(value);
  if (missing.empty())
    return;
  Names others = unnamedOperands(call);
  for (StringRef value : missing)
    for (StringRef operand : others) {
      if (isMerged(value, operand))
        note(value, "merged with", operand);
      else if (missing.size() == 1 && others.size() == 1 &&
               mayCopy(callName(value)) && readingCalls.lookup(operand) &&
               !isFused(*call.nodes.front()))
        note(value, "a copy of", operand);
    }
}

std::vector<std::string> Finder::find() {
  for (const auto &[text, call] : recorded.calls())
    findIn(call);
  return gone;
}

LogicalResult fsdp::onnx::checkMergedCalls(const Graph &graph,
                                           const ParameterTable &parameters,
                                           const StopTable &stops,
                                           Location loc) {
  Finder finder(graph, parameters, stops);
  auto gone = finder.find();
  if (gone.empty())
    return success();
  constexpr size_t shown = 4;
  std::string names = llvm::join(llvm::ArrayRef(gone).take_front(shown), ", ");
  if (gone.size() > shown)
    names += " and " + std::to_string(gone.size() - shown) + " more";
  if (finder.tellsOfDetach())
    return mlir::emitError(loc)
           << "PyTorch reads values without gradient (detach), and the "
              "exporter's optimizer merged or removed calls that may read "
              "them: "
           << names << ": export with optimize=False";
  mlir::emitWarning(loc)
      << "the exporter's optimizer merged or removed calls: " << names
      << "; if the model stops a gradient in front of one (detach), the file "
         "does not tell: export with optimize=False, which does";
  return success();
}
