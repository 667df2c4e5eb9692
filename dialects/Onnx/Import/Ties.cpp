//===- Ties.cpp - Two names of one parameter ------------------------------===//
//
// A model with tied weights has several names for one parameter. A file names
// one of them, or has the parameter twice; `--tie` says what it does not.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Glob.h"
#include "dialects/Onnx/Import/Parameters.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// One `--tie A=B`, for messages.
struct Tie {
  const std::string &a, &b;
  Location loc;

  InFlightDiagnostic error() const {
    return mlir::emitError(loc) << "--tie " << a << "=" << b << ": ";
  }
};
} // namespace

FailureOr<bool> fsdp::onnx::equalContents(const Parameter &a,
                                          const Parameter &b,
                                          TensorData &data) {
  if (a.source == b.source)
    return a.transposed == b.transposed;
  const TensorRecord *sources[] = {a.source, b.source};
  std::optional<StringRef> bytes[2];
  for (int i : {0, 1}) {
    if (!sources[i])
      continue;
    auto found = bytesOf(*sources[i], data);
    if (failed(found))
      return failure();
    if (!*found)
      return true;
    bytes[i] = **found;
  }
  // A dropped bias was zero.
  for (int i : {0, 1})
    if (!sources[i])
      return bytes[1 - i]->find_first_not_of('\0') == StringRef::npos;
  if (a.transposed != b.transposed)
    return isTransposeOf(*a.source, *b.source, data);
  return a.source->dataType == b.source->dataType && *bytes[0] == *bytes[1];
}

/// "'wte.weight' has shape [7, 4]".
static std::string describe(const Parameter &parameter) {
  std::string text = "'" + parameter.name + "' has shape [";
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(parameter.shape, os);
  os << "]";
  return text;
}

/// The file has both: one of them goes.
static LogicalResult merge(const Tie &tie, size_t a, size_t b, TensorData &data,
                           ParameterTable &table) {
  if (table.parameters[b].order < table.parameters[a].order)
    std::swap(a, b);
  Parameter &kept = table.parameters[a], &other = table.parameters[b];
  if (kept.buffer || other.buffer)
    return tie.error() << "'" << (kept.buffer ? kept : other).name
                       << "' is a buffer, expected two parameters";
  if (kept.shape != other.shape)
    return tie.error() << describe(kept) << " and " << describe(other)
                       << ", expected one shape of one parameter";
  FailureOr<bool> equal = equalContents(kept, other, data);
  if (failed(equal))
    return failure();
  if (!*equal)
    return tie.error() << "'" << kept.name << "' and '" << other.name
                       << "' have different values in the file, expected "
                          "those of one parameter";
  if (kept.transposed && !other.transposed) {
    kept.source = other.source;
    kept.transposed = false;
  }
  kept.isScale |= other.isScale;
  kept.aliases.push_back(other.name);
  llvm::append_range(kept.aliases, other.aliases);
  table.erase(b, a);
  return success();
}

/// The file has one of the names, at `index`; `name` is the other.
static LogicalResult addName(const Tie &tie, StringRef name, size_t index,
                             const Graph &graph, ParameterTable &table) {
  Parameter &parameter = table.parameters[index];
  auto lost = llvm::find_if(
      table.lost, [&](const LostName &lost) { return lost.name == name; });
  bool isLost = lost != table.lost.end();
  if (hasSignature(graph) && !isLost) {
    std::vector<std::string> names;
    for (const LostName &other : table.lost)
      names.push_back(other.name);
    for (const Parameter &other : table.parameters)
      names.push_back(other.name);
    return tie.error() << "the model has no parameter '" << name
                       << "'; nearest: " << fsdp::nearestNames(name, names);
  }
  if (parameter.buffer || (isLost && lost->buffer))
    return tie.error() << "'"
                       << (parameter.buffer ? StringRef(parameter.name) : name)
                       << "' is a buffer, expected two parameters";
  if (isLost && lost->isRead)
    return tie.error() << "the model reads '" << name
                       << "' as a parameter of its own, which the exporter's "
                          "optimizer merged or computed ahead: export with "
                          "optimize=False";
  parameter.aliases.push_back(name.str());
  if (isLost)
    table.lost.erase(lost);
  return success();
}

LogicalResult fsdp::onnx::applyTies(const Graph &graph,
                                    const ImportOptions &options,
                                    TensorData &data, Location loc,
                                    ParameterTable &table) {
  auto pending = options.ties;
  while (!pending.empty()) {
    // Of a chain of names only one may be in the file.
    auto next = llvm::find_if(pending, [&](const auto &names) {
      return table.find(names.first) || table.find(names.second);
    });
    if (next == pending.end()) {
      std::vector<std::string> names;
      for (const Parameter &parameter : table.parameters)
        names.push_back(parameter.name);
      const auto &[a, b] = pending.front();
      return Tie{a, b, loc}.error()
             << "the file has neither, expected one of its parameters; "
                "nearest: "
             << fsdp::nearestNames(b, names);
    }
    Tie tie{next->first, next->second, loc};
    std::optional<size_t> a = table.find(tie.a), b = table.find(tie.b);
    LogicalResult tied = success();
    if (a && b)
      tied = *a == *b ? success() : merge(tie, *a, *b, data, table);
    else
      tied = addName(tie, a ? tie.b : tie.a, a ? *a : *b, graph, table);
    if (failed(tied))
      return failure();
    pending.erase(next);
  }
  return success();
}
