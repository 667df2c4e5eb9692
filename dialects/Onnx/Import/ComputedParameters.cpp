//===- ComputedParameters.cpp - What was computed of parameters -----------===//
#include "dialects/Onnx/Import/ComputedParameters.h"

using namespace mlir;
using namespace fsdp::onnx;

//===----------------------------------------------------------------------===//
// Values that are gone
//===----------------------------------------------------------------------===//

FoldedValues::FoldedValues(const Graph &graph,
                           const std::vector<SignatureLine> &lines)
    : graph(graph) {
  for (const SignatureLine &line : lines)
    placeholders[line.placeholder] = &line;
  for (const ValueRecord &input : graph.inputs)
    results.insert(input.name);
  for (const Node &node : graph.nodes)
    for (const std::string &output : node.outputs)
      results.insert(output);
}

bool FoldedValues::isGone(StringRef value) const {
  return !placeholders.count(value) && !results.contains(value);
}

std::string FoldedValues::firstOf(const CallRecord &call) const {
  for (const std::string &value : call.values())
    if (isGone(value))
      return value;
  return "";
}

/// A buffer without an initializer of its own was merged with another.
bool FoldedValues::readsMergedBuffer(const CallRecord &call) const {
  return llvm::any_of(call.values(), [&](const std::string &value) {
    auto it = placeholders.find(value);
    return it != placeholders.end() && it->second->kind != "PARAMETER" &&
           !it->second->target.empty() &&
           !graph.initializer(it->second->target);
  });
}

/// Whether a value is named after a call that gives its operand back. A view or
/// a slice may do so too, but the name does not tell.
static bool isIdentityCall(StringRef value) {
  StringRef call = value.rtrim("0123456789");
  if (call != value)
    call.consume_back("_");
  return call == "clone" || call == "alias" || call == "contiguous";
}

bool FoldedValues::isIdentity(const TensorRecord &record, StringRef value,
                              const llvm::StringMap<size_t> &targets,
                              bool transposed) const {
  auto folded = graph.values.find(record.name);
  if (folded == graph.values.end() || value.empty())
    return false;
  unsigned parameters = 0;
  bool listed = false;
  for (StringRef name : folded->second.foldedFrom) {
    listed |= name == value;
    if (targets.count(name))
      ++parameters;
    else if (!isIdentityCall(name))
      return false;
  }
  // The transposition that follows leaves a name of its own.
  bool named = record.name == value && isIdentityCall(value);
  return parameters == 1 && (transposed ? listed : named);
}

static bool isNumber(StringRef text) {
  double value;
  return !text.getAsDouble(value);
}

std::optional<std::string>
FoldedValues::standsFor(const CallRecord &call, const TensorRecord &record,
                        std::optional<int> argument) const {
  // One element may be a number of the call, such as the 0 of `clamp(x, 0)`.
  bool mayBeNumber = countElements(record.dims) == 1 &&
                     llvm::any_of(call.args, [](const std::string &text) {
                       return isNumber(text);
                     });
  if (argument) {
    StringRef value = call.value(*argument);
    if (value.empty() || placeholders.count(value) ||
        (mayBeNumber && !isGone(value)))
      return std::nullopt;
    return ("'" + value + "'").str();
  }
  // Without a role any value of the call may be meant.
  if (std::string gone = firstOf(call); !gone.empty())
    return "'" + gone + "'";
  if (mayBeNumber || readsMergedBuffer(call))
    return std::nullopt;
  return "a value of the call '" + call.target + "'";
}

//===----------------------------------------------------------------------===//
// What becomes of them
//===----------------------------------------------------------------------===//

/// The transpose is an initializer of its own. The names say what was computed
/// from what; where the embedding still is an initializer too, as in a tied
/// head, the data have to agree. A matrix has no other permutation.
FailureOr<bool> fsdp::onnx::isTransposed(const Computed &operand,
                                         const Graph &graph, TensorData &data,
                                         const ParameterTable &table) {
  static const char *const calls[] = {"permute", "transpose", "t", "numpy_t"};
  StringRef value = operand.record->name, call = value.rtrim("0123456789");
  if (call != value)
    call.consume_back("_");
  if (!operand.sameValue || !llvm::is_contained(calls, call) ||
      graph.values.find(value)->second.foldedFrom.size() != 1)
    return false;
  const TensorRecord *source = graph.initializer(operand.parameter->target);
  if (!source)
    return operand.record->dims.size() == 2;
  // Equal initializers are one: a name may stand for other parameters too.
  bool merged = llvm::any_of(table.parameters, [&](const Parameter &other) {
    return other.source == source && other.name != operand.parameter->target;
  });
  if (merged)
    return false;
  return isTransposeOf(*operand.record, *source, data);
}

static void describe(InFlightDiagnostic &diagnostic, const Computed &operand) {
  diagnostic << "node '" << operand.node->name << "' reads initializer '"
             << operand.record->name << "'";
  if (operand.merged)
    diagnostic << " where PyTorch reads " << operand.value
               << ", which the exporter computed ahead and merged with "
                  "parameter '"
               << operand.parameter->target << "'";
  else
    diagnostic << ", which the exporter computed ahead from parameter '"
               << operand.parameter->target << "' or one equal to it";
}

LogicalResult fsdp::onnx::refuseComputed(ArrayRef<Computed> computed,
                                         Location loc) {
  if (computed.empty())
    return success();
  constexpr size_t shown = 20;
  auto diagnostic = mlir::emitError(loc);
  for (auto [i, operand] : llvm::enumerate(computed.take_front(shown))) {
    diagnostic << (i ? "; " : "");
    describe(diagnostic, operand);
  }
  if (computed.size() > shown)
    diagnostic << "; and " << computed.size() - shown << " more";
  return diagnostic << ": as constants they would not be trained; export with "
                       "optimize=False, which keeps parameters as they are";
}
