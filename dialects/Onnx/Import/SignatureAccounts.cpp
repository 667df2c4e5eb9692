//===- SignatureAccounts.cpp - Every line of a signature ------------------===//
//
// A line is read by a node, kept under its own name, another name of a tie, or
// a bias of zeros that the optimizer dropped. What is none of these is lost.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/SignatureRecovery.h"

using namespace mlir;
using namespace fsdp::onnx;

/// The nodes of one call hold no operand for its bias: it was zero, and the
/// optimizer dropped it.
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
  if (!product)
    return;
  size_t index = declare(*line);
  Parameter &bias = table.parameters[index];
  // Other, equal parameters may be read through the initializer of this name.
  if (const TensorRecord *record = graph.initializer(line->target);
      record && !bias.source) {
    bias.source = record;
    bias.shape = record->dims;
  }
  table.droppedBiases[product] = index;
  readers.push_back({scopeOf(*product), index});
}

/// Ties: the signature lists every name, the records only one of them. The
/// other is the name that the reading module would give it.
bool SignatureRecovery::isAlias(const SignatureLine &line) {
  auto [prefix, leaf] = splitName(line.target);
  for (const Reader &reader : readers) {
    Parameter &parameter = table.parameters[reader.parameter];
    auto [ownPrefix, ownLeaf] = splitName(parameter.name);
    if (reader.scope != prefix || prefix == ownPrefix || leaf != ownLeaf)
      continue;
    if (!llvm::is_contained(parameter.aliases, line.target))
      parameter.aliases.push_back(line.target);
    return true;
  }
  return false;
}

LogicalResult SignatureRecovery::accountForAll() {
  std::vector<StringRef> lost;
  for (auto [i, line] : llvm::enumerate(lines)) {
    const TensorRecord *record = graph.initializer(line.target);
    if (line.kind == "BUFFER" && line.persistent) {
      if (!record) {
        lost.push_back(line.target);
        continue;
      }
      Parameter buffer;
      buffer.name = line.target;
      buffer.shape = record->dims;
      buffer.source = record;
      buffer.buffer = true;
      buffer.order = i;
      table.parameters.push_back(std::move(buffer));
    }
    if (line.kind != "PARAMETER" || declared.count(line.placeholder))
      continue;
    if (record) {
      Parameter &parameter = table.parameters[declare(line)];
      parameter.shape = record->dims;
      parameter.source = record;
    } else if (!isAlias(line)) {
      lost.push_back(line.target);
    }
  }
  if (lost.empty())
    return success();
  auto diagnostic = mlir::emitError(loc);
  diagnostic << lost.size() << " parameters of the exported model are not in "
             << "the file, merged or folded away by the exporter:";
  for (auto [i, name] : llvm::enumerate(lost)) {
    if (i == 20) {
      diagnostic << " and " << lost.size() - 20 << " more";
      break;
    }
    diagnostic << (i ? ", '" : " '") << name << "'";
  }
  return diagnostic << ": export with optimize=False (and without "
                       "opset_version, should one be unused)";
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
