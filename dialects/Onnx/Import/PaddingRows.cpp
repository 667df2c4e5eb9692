//===- PaddingRows.cpp - padding_idx where no record tells it -------------===//
//
// torch never trains the row padding_idx of an embedding. ONNX's Gather has no
// place for it: the dynamo exporter writes it in the node's record, others lose
// it. torch makes that row zero, so a row of zeros may be one, but may as well
// be a row like others: the user has to say.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Glob.h"
#include "dialects/Onnx/Import/Parameters.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
/// The Gathers of rows, by the index of the table that they read.
using Embeddings = llvm::MapVector<size_t, SmallVector<const Node *>>;
} // namespace

static Embeddings findEmbeddings(const Graph &graph,
                                 const ParameterTable &table) {
  Embeddings embeddings;
  for (const Node &node : graph.nodes) {
    auto use = table.uses.find({&node, 0});
    auto axis = node.attributes.find("axis");
    if (node.opType == "Gather" && use != table.uses.end() &&
        !use->second.transposed &&
        table.parameters[use->second.parameter].shape.size() == 2 &&
        (axis == node.attributes.end() || axis->second.i == 0))
      embeddings[use->second.parameter].push_back(&node);
  }
  return embeddings;
}

static std::vector<std::string> namesOf(const Parameter &parameter) {
  std::vector<std::string> names = {parameter.name};
  llvm::append_range(names, parameter.aliases);
  return names;
}

/// The rows of zeros of a table; none where its data are not there.
static FailureOr<SmallVector<int64_t>> zeroRows(const Parameter &parameter,
                                                TensorData &data) {
  SmallVector<int64_t> rows;
  const TensorRecord *record = parameter.source;
  if (!record || parameter.transposed || !parameter.shape[0])
    return rows;
  if (record->external) {
    auto file = data.externalFile(*record);
    if (failed(file))
      return failure();
    if (file->empty())
      return rows;
  }
  auto bytes = data.bytes(*record);
  if (failed(bytes))
    return failure();
  int64_t width = record->bytes / parameter.shape[0];
  for (int64_t row = 0; row < parameter.shape[0]; ++row)
    if (bytes->substr(row * width, width).find_first_not_of('\0') ==
        StringRef::npos)
      rows.push_back(row);
  return rows;
}

static InFlightDiagnostic &operator<<(InFlightDiagnostic &diagnostic,
                                      ArrayRef<int64_t> rows) {
  constexpr size_t shown = 5;
  diagnostic << (rows.size() == 1 ? "row " : "rows ");
  for (auto [i, row] : llvm::enumerate(rows.take_front(shown)))
    diagnostic << (i ? ", " : "") << row;
  if (rows.size() > shown)
    diagnostic << " and " << rows.size() - shown << " more";
  return diagnostic;
}

/// Takes what `--padding-idx` says; the tables that it names are done.
static LogicalResult takeOptions(const ImportOptions &options, Location loc,
                                 ParameterTable &table,
                                 Embeddings &embeddings) {
  std::vector<std::string> names;
  for (auto &[index, nodes] : embeddings)
    llvm::append_range(names, namesOf(table.parameters[index]));
  llvm::SmallSet<size_t, 4> given;
  for (const auto &[name, row] : options.paddingRows) {
    auto *named = llvm::find_if(embeddings, [&, &name = name](auto &embedding) {
      return llvm::is_contained(namesOf(table.parameters[embedding.first]),
                                name);
    });
    if (named == embeddings.end())
      return mlir::emitError(loc)
             << "--padding-idx '" << name
             << "' names no table that an embedding reads; nearest: "
             << fsdp::nearestNames(name, names);
    const Parameter &parameter = table.parameters[named->first];
    if (!given.insert(named->first).second)
      return mlir::emitError(loc)
             << "--padding-idx is given twice for table '" << parameter.name
             << "', the second time as '" << name << "': give it once";
    int64_t rows = parameter.shape[0];
    if (row && *row >= rows)
      return mlir::emitError(loc)
             << "--padding-idx " << name << "=" << *row << " is no row of '"
             << name << "', which has " << rows << " rows";
    if (row)
      for (const Node *node : named->second)
        table.paddingRows[node] = *row;
  }
  embeddings.remove_if(
      [&](const auto &embedding) { return given.contains(embedding.first); });
  return success();
}

LogicalResult fsdp::onnx::findPaddingRows(const Graph &graph,
                                          const ImportOptions &options,
                                          TensorData &data, Location loc,
                                          ParameterTable &table) {
  if (hasSignature(graph)) {
    if (options.paddingRows.empty())
      return success();
    return mlir::emitError(loc)
           << "--padding-idx '" << options.paddingRows.front().first
           << "' is for files without a record of it: this one has PyTorch's "
              "own padding_idx";
  }
  Embeddings embeddings = findEmbeddings(graph, table);
  if (failed(takeOptions(options, loc, table, embeddings)))
    return failure();
  for (auto &[index, nodes] : embeddings) {
    const Parameter &parameter = table.parameters[index];
    FailureOr<SmallVector<int64_t>> rows = zeroRows(parameter, data);
    if (failed(rows))
      return failure();
    if (rows->empty())
      continue;
    auto diagnostic = mlir::emitError(loc);
    return diagnostic
           << ArrayRef(*rows) << " of '" << parameter.name
           << "', which an embedding reads, may be its padding_idx, "
              "which this exporter does not write: say --padding-idx "
           << parameter.name << "=" << rows->front()
           << " (a row without gradient from the embedding) or "
              "--padding-idx "
           << parameter.name
           << "=none, or export with dynamo=True, which writes it";
  }
  return success();
}
