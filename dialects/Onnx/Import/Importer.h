//===- Importer.h - From an ONNX file to the onnx dialect -------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_IMPORTER_H
#define FSDP_DIALECTS_ONNX_IMPORT_IMPORTER_H

#include "dialects/Onnx/Import/Handlers.h"
#include "dialects/Onnx/Import/Import.h"
#include "dialects/Onnx/Import/Parameters.h"
#include "dialects/Onnx/Import/StopGradients.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fsdp::onnx {
/// Imports one graph.
class Importer {
public:
  Importer(Graph &graph, const ImportOptions &options,
           mlir::MLIRContext *context)
      : graph(graph), options(options), builder(context),
        loc(mlir::FileLineColLoc::get(context, graph.givenPath, 0, 0)),
        emitter(builder), data(graph, loc),
        errors(context, [this](mlir::Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
            return mlir::failure();
          // The first says why; what follows from it is not said.
          if (errorCount++)
            return mlir::success();
          if (current)
            diagnostic << " (in node '" << current->name << "', "
                       << current->opType << ", scope '" << emitter.scope
                       << "')";
          return mlir::failure();
        }) {}
  mlir::OwningOpRef<mlir::ModuleOp> run();

private:
  llvm::LogicalResult addInputs();
  llvm::LogicalResult importNodes();
  /// The nodes at [begin, end) of the graph.
  llvm::LogicalResult importRange(size_t begin, size_t end);
  llvm::LogicalResult importNode(const Node &node);
  // Nodes with regions (ControlImport.cpp).
  llvm::LogicalResult importControl(const Node &node, NodeContext &context);
  llvm::LogicalResult importIf(const Node &node, NodeContext &context);
  llvm::LogicalResult importLoop(const Node &node, NodeContext &context);
  struct LoopState {
    /// Whether there is another trip; nothing where that is not known.
    std::optional<bool> condition;
    llvm::SmallVector<Operand> carried;
    std::vector<llvm::SmallVector<Operand>> collected;
  };
  llvm::LogicalResult importTrip(const Region &body, int64_t trip,
                                 LoopState &state);
  llvm::LogicalResult giveLoopResults(const Node &node, NodeContext &context,
                                      const LoopState &state);
  mlir::FailureOr<llvm::SmallVector<Operand>>
  importRegion(const Region &region, llvm::ArrayRef<Operand> inputs);
  mlir::FailureOr<Operand> regionResult(const std::string &name);
  mlir::FailureOr<Operand> operandOf(const Node &node, unsigned i);
  mlir::FailureOr<Operand> valueOf(const Node &node, unsigned i);
  llvm::LogicalResult define(const std::string &name, Operand value);
  mlir::FailureOr<Operand> readParameter(size_t index, bool transposed);
  llvm::LogicalResult addDroppedBias(const Node &node, NodeContext &context,
                                     DroppedBias dropped);
  llvm::LogicalResult dispatch(const Node &node, NodeContext &context);
  llvm::SmallVector<mlir::Value>
  keepNode(const Node &node, llvm::ArrayRef<Operand> in, mlir::TypeRange types);
  llvm::LogicalResult keepUnsupported(const Node &node, NodeContext &context);
  void releaseInputs(const Node &node);
  llvm::LogicalResult addOutputs();
  void eraseDead();

  Graph &graph;
  const ImportOptions &options;
  mlir::OpBuilder builder;
  mlir::Location loc;
  Emitter emitter;
  TensorData data;
  unsigned errorCount = 0;
  /// The node that is being imported: errors name it.
  const Node *current = nullptr;
  mlir::ScopedDiagnosticHandler errors;
  HandlerTable handlers = allHandlers();
  ParameterTable parameters;
  StopTable stops;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  llvm::StringMap<Operand> values;
  llvm::StringMap<unsigned> readers;
  /// Nodes imported in regions, and trips of loops.
  int64_t unrolled = 0;
  /// One read of each parameter, at its first use.
  llvm::DenseMap<size_t, mlir::Value> reads;
  llvm::DenseMap<mlir::Value, std::pair<mlir::Value, int64_t>> logSoftmax;
  llvm::DenseMap<mlir::Value, mlir::Value> nanTests;
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_IMPORTER_H
