//===- SignatureAccounts.cpp - Every line of a signature ------------------===//
//
// A line is read by a node, kept under its own name, another name of a tie, or
// a bias of zeros that the optimizer dropped. What is none of these is lost.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/SignatureRecovery.h"

using namespace mlir;
using namespace fsdp::onnx;

/// What addmm multiplies its addend by, where that is a number.
static std::optional<double> addendScale(const CallRecord &call) {
  auto beta = call.kwargs.find("beta");
  double scale = 1;
  if (call.target == "addmm" && beta != call.kwargs.end() &&
      StringRef(beta->second).getAsDouble(scale))
    return std::nullopt;
  return scale;
}

/// The nodes of one call hold no operand for its bias: it was zero, and the
/// optimizer dropped it. Without a number for its scale it stays lost.
void SignatureRecovery::restoreBias(const CallRecord &call,
                                    ArrayRef<const Node *> nodes) {
  int argument = call.target == "linear"       ? 2
                 : call.target == "addmm"      ? 0
                 : call.target == "layer_norm" ? 3
                                               : -1;
  const SignatureLine *line = parameterLine(call.value(argument));
  if (!line)
    return;
  const Node *product = nullptr;
  for (const Node *node : nodes) {
    for (unsigned i = 0; i < node->inputs.size(); ++i) {
      auto use = table.uses.find({node, i});
      if (use != table.uses.end() &&
          table.parameters[use->second.parameter].name == line->target)
        return;
    }
    if (node->opType == "MatMul" || node->opType == "Gemm" ||
        node->opType == "LayerNormalization")
      product = node;
  }
  std::optional<double> scale = addendScale(call);
  if (!product || !scale)
    return;
  size_t index = declare(*line);
  Parameter &bias = table.parameters[index];
  // Other, equal parameters may be read through the initializer of this name.
  if (const TensorRecord *record = graph.initializer(line->target);
      record && !bias.source) {
    bias.source = record;
    bias.shape = record->dims;
  }
  table.droppedBiases[product] = {index, *scale};
  readers.push_back({scopeOf(*product), moduleClassOf(*product), index});
}

/// Whether modules of this class read no other weight than their own: PyTorch's
/// layers, and those that transformers derives from them.
static bool readsItsOwn(StringRef moduleClass) {
  return moduleClass.starts_with("torch.nn.modules.") ||
         (moduleClass.starts_with("transformers.") &&
          (moduleClass.ends_with("Embedding") ||
           moduleClass.ends_with("Conv1D")));
}

/// Ties: the signature lists every name, the records only one of them. Another
/// is the name that the reading module gives it, where that module is known to
/// read its own weight. Any other module may read a weight that is not its own
/// (a child's, an argument) beside one that nothing reads.
bool SignatureRecovery::isAlias(const SignatureLine &line) {
  auto [prefix, leaf] = splitName(line.target);
  for (const Reader &reader : readers) {
    Parameter &parameter = table.parameters[reader.parameter];
    auto [ownPrefix, ownLeaf] = splitName(parameter.name);
    if (reader.scope != prefix || prefix == ownPrefix || leaf != ownLeaf ||
        !readsItsOwn(reader.moduleClass) ||
        ownPrefix.starts_with((prefix + ".").str()))
      continue;
    if (!llvm::is_contained(parameter.aliases, line.target))
      parameter.aliases.push_back(line.target);
    return true;
  }
  return false;
}

/// The optimizer lifts constants to initializers, which otherwise are those of
/// the signature's lines, and notes what it computed ahead.
bool SignatureRecovery::isOptimized() {
  llvm::StringSet<> targets;
  for (const SignatureLine &line : lines)
    targets.insert(line.target);
  return llvm::any_of(graph.initializers,
                      [&](const TensorRecord &record) {
                        return !targets.contains(record.name);
                      }) ||
         llvm::any_of(graph.values, [](const auto &value) {
           return !value.second.foldedFrom.empty();
         });
}

/// Keeps what nothing reads, and notes what is lost.
void SignatureRecovery::accountForAll() {
  table.optimized = isOptimized();
  for (auto [i, line] : llvm::enumerate(lines)) {
    const TensorRecord *record = graph.initializer(line.target);
    bool buffer = line.kind == "BUFFER" && line.persistent;
    if (buffer && record) {
      Parameter parameter;
      parameter.name = line.target;
      parameter.shape = record->dims;
      parameter.source = record;
      parameter.buffer = true;
      parameter.order = i;
      table.parameters.push_back(std::move(parameter));
    }
    bool known = line.kind != "PARAMETER" || declared.count(line.placeholder);
    if (!known && record) {
      Parameter &parameter = table.parameters[declare(line)];
      parameter.shape = record->dims;
      parameter.source = record;
    } else if ((buffer && !record) || (!known && !isAlias(line))) {
      table.lost.push_back(
          {line.target, i, buffer, readValues.contains(line.placeholder)});
    }
  }
}

/// A tied parameter goes by the first of its names, as in PyTorch.
void SignatureRecovery::orderTies() {
  for (Parameter &parameter : table.parameters)
    for (std::string &alias : parameter.aliases) {
      size_t place = byTarget[alias];
      if (place < parameter.order) {
        parameter.order = place;
        std::swap(alias, parameter.name);
      }
    }
}
