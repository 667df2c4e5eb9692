//===- FunctionInliner.h - Local functions are inlined ----------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_FUNCTIONINLINER_H
#define FSDP_DIALECTS_ONNX_IMPORT_FUNCTIONINLINER_H

#include "dialects/Onnx/Import/Graph.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace fsdp::onnx {
/// Marks an attribute that stands for one of the function's caller.
inline const std::string functionReferencePrefix = "\x01reference:";

/// Gives every name in `node`, those in its bodies included, its new one.
void renameValues(Node &node,
                  llvm::function_ref<void(std::string &name)> rename);

struct FunctionRecord {
  std::vector<std::string> inputs, outputs;
  llvm::StringMap<NodeAttribute> defaults;
  std::vector<Node> nodes;
};

class FunctionInliner {
public:
  explicit FunctionInliner(mlir::Location loc) : loc(loc) {}
  void add(llvm::StringRef domain, llvm::StringRef name,
           FunctionRecord function) {
    functions[key(domain, name)] = std::move(function);
  }
  /// Appends `nodes` to `out`, every call of a local function replaced by the
  /// function's nodes with names of their own.
  llvm::LogicalResult run(std::vector<Node> nodes, std::vector<Node> &out,
                          unsigned depth = 0);

private:
  static std::string key(llvm::StringRef domain, llvm::StringRef name) {
    return ((domain == "ai.onnx" ? "" : domain) + "::" + name).str();
  }
  std::vector<Node> instantiate(const FunctionRecord &function,
                                const Node &call);

  mlir::Location loc;
  llvm::StringMap<FunctionRecord> functions;
  unsigned instances = 0;
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_FUNCTIONINLINER_H
