//===- LostParameters.cpp - Parameters that the file lacks ----------------===//
//
// PyTorch's exporter leaves out what nothing reads, and its optimizer what it
// merged or computed ahead. The first may be left out of the training too, when
// the user says so; the second is another model.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Parameters.h"

using namespace mlir;
using namespace fsdp::onnx;
using llvm::StringRef;

/// Whether a lost name is one that nothing reads, as far as the file tells.
static bool mayBeUnused(const LostName &lost, const ParameterTable &table) {
  return !lost.isRead && !table.optimized;
}

static LogicalResult dropUnused(const ImportOptions &options, Location loc,
                                ParameterTable &table) {
  std::vector<std::string> unused;
  for (const LostName &lost : table.lost) {
    if (matchesAny(lost.name, options.dropPatterns) &&
        !mayBeUnused(lost, table))
      return mlir::emitError(loc)
             << "--drop-unused '" << lost.name
             << "': the exporter's optimizer may have merged it with another "
                "or computed it ahead: export with optimize=False, which "
                "leaves out only what nothing reads";
    unused.push_back(lost.name);
  }
  for (auto [i, parameter] : llvm::enumerate(table.parameters))
    if (!parameter.buffer && !table.isRead(i))
      unused.push_back(parameter.name);
  if (failed(checkPatterns("drop-unused", options.dropPatterns, unused,
                           "parameter that nothing reads", loc)))
    return failure();
  for (const std::string &name : unused) {
    if (!matchesAny(name, options.dropPatterns))
      continue;
    table.dropped.push_back(name);
    if (std::optional<size_t> index = table.find(name))
      table.erase(*index, *index);
  }
  llvm::erase_if(table.lost, [&](const LostName &lost) {
    return matchesAny(lost.name, options.dropPatterns);
  });
  return success();
}

LogicalResult fsdp::onnx::accountForLost(const ImportOptions &options,
                                         Location loc, ParameterTable &table) {
  if (failed(dropUnused(options, loc, table)))
    return failure();
  if (table.lost.empty())
    return success();
  std::vector<std::string> names;
  bool unused = true;
  size_t buffers = 0;
  // May be a further name of another: only parameters are tied.
  const LostName *tied = nullptr;
  for (const LostName &lost : table.lost) {
    names.push_back(lost.name);
    unused &= mayBeUnused(lost, table);
    buffers += lost.buffer;
    if (!lost.buffer && !lost.isRead && !tied)
      tied = &lost;
  }
  StringRef what = buffers == names.size() ? "buffers"
                   : buffers               ? "parameters and buffers"
                                           : "parameters";
  auto diagnostic = mlir::emitError(loc);
  diagnostic << names.size() << " " << what
             << " of the exported model are not in the file";
  if (!unused) {
    diagnostic << ", merged or folded away by the exporter: "
               << listNames(names) << ": export with optimize=False";
    if (tied)
      diagnostic << ", or, where it is a further name of a tied parameter, "
                    "--tie "
                 << tied->name << "=NAME";
    return diagnostic;
  }
  diagnostic << ": " << listNames(names)
             << ": the exporter leaves out what nothing reads"
             << (tied ? " and further names of tied parameters" : "")
             << ": --drop-unused " << names.front()
             << " trains without it (saved files will lack it)";
  if (tied)
    diagnostic << ", --tie " << tied->name
               << "=NAME makes it a name of parameter NAME";
  return diagnostic;
}
