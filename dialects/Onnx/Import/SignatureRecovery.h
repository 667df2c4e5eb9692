//===- SignatureRecovery.h - Parameters by the dynamo exporter --*- C++ -*-===//
//
// The graph's signature has a line for each parameter, and the record of a
// node tells the call it came from with the placeholders that call read.
// SignatureParameters.cpp gives operands their parameters,
// SignatureAccounts.cpp accounts for every line.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_SIGNATURERECOVERY_H
#define FSDP_DIALECTS_ONNX_IMPORT_SIGNATURERECOVERY_H

#include "dialects/Onnx/Import/CallRoles.h"
#include "dialects/Onnx/Import/ComputedParameters.h"

namespace fsdp::onnx {
/// Recovers the parameters of one file by its signature and records.
class SignatureRecovery {
public:
  SignatureRecovery(const Graph &graph, const ImportOptions &options,
                    TensorData &data, mlir::Location loc, ParameterTable &table)
      : graph(graph), options(options), data(data), loc(loc), table(table) {}
  llvm::LogicalResult run();

private:
  /// An operand that is a weight; the lines are those that its name and its
  /// record of folding lead to, or null.
  struct Operand {
    const Node &node;
    unsigned index;
    const TensorRecord &record;
    const SignatureLine *ownLine, *foldedLine;
  };

  void readSignature();
  llvm::LogicalResult assign(const Node &node, unsigned operand,
                             const CallRecord &call);
  llvm::LogicalResult bind(const Node &node, unsigned operand,
                           const SignatureLine &line,
                           const TensorRecord &record, bool transposed,
                           bool isScale);
  const SignatureLine *foldedParameter(const TensorRecord &record);
  llvm::LogicalResult assignByRole(const Operand &operand,
                                   const CallRecord &call,
                                   const Argument &argument);
  llvm::LogicalResult assignWithoutRole(const Operand &operand,
                                        const CallRecord &call);
  void suspect(const Operand &operand, const CallRecord &call,
               std::optional<int> argument);
  void findMerged();
  llvm::LogicalResult bindTransposes();
  void restoreBias(const CallRecord &call, llvm::ArrayRef<const Node *> nodes);
  void accountForAll();
  llvm::LogicalResult checkBodies();
  bool isOptimized();
  bool isAlias(const SignatureLine &line);
  void orderTies();
  size_t declare(const SignatureLine &line);
  const SignatureLine *parameterLine(llvm::StringRef placeholder) {
    auto it = byPlaceholder.find(placeholder);
    return it == byPlaceholder.end() ? nullptr : &lines[it->second];
  }

  const Graph &graph;
  const ImportOptions &options;
  TensorData &data;
  mlir::Location loc;
  ParameterTable &table;
  std::vector<SignatureLine> lines;
  /// Lines of parameters.
  llvm::StringMap<size_t> byPlaceholder, byTarget;
  llvm::StringSet<> bufferTargets;
  /// What recorded calls read.
  llvm::StringSet<> readValues;
  std::optional<FoldedValues> folded;
  /// Index in the table of each declared placeholder.
  llvm::StringMap<size_t> declared;
  struct Reader {
    std::string scope, moduleClass;
    size_t parameter;
  };
  std::vector<Reader> readers;
  std::vector<Computed> computed;
  /// Constants, unless their initializer proves to be that of a parameter.
  std::vector<Computed> suspects;
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_SIGNATURERECOVERY_H
