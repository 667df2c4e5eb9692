//===- PhaseConverter.h - One function to its phases ------------*- C++ -*-===//
//
// The ops of a function by kind, a file each: ConvertKernels.cpp,
// ConvertAttention.cpp, ConvertCollectives.cpp, ConvertOptimizer.cpp,
// ConvertFactors.cpp, ConvertStates.cpp; where gradients lie in
// PlaceGradients.cpp, the rest in PhaseConverter.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_PASSES_PLAN_PHASECONVERTER_H
#define FSDP_PASSES_PLAN_PHASECONVERTER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Plan/PhaseBuilder.h"
#include "passes/Plan/Program.h"

namespace fsdp {
/// A collective under way: its event, null on one rank, which has what it wants
/// already, and the buffer that its results are in.
struct Pending {
  mlir::Value event;
  Slice buffer;
};

/// A product of the library: operands of one element type, in what form, and
/// what its dispatch is called.
struct LibraryProduct {
  GemmShape shape;
  mlir::Type operand, result;
  llvm::StringRef name, unit, scope;
  int32_t adds = 0; ///< FSDPRT_GEMM_...
  bool accumulates = false;
};

class PhaseConverter {
public:
  PhaseConverter(Program &program, mlir::OpBuilder &builder,
                 mlir::func::FuncOp func, llvm::StringRef name, rt::Runs runs)
      : program(program), func(func), block(func.getBody().front()),
        phases(builder), phase(builder, func.getLoc(), name, runs) {}

  mlir::LogicalResult run();

private:
  friend class AttentionConverter; ///< ConvertAttention.cpp

  // Values and buffers.
  void findLastUses();
  mlir::LogicalResult checkLines();
  mlir::LogicalResult checkWhole(sharding::AccumulateGradientsOp op);
  void placeGradients();
  void placeOperandOfSum(mlir::Value sum, int64_t lineBytes, int64_t &begin);
  Slice createWork(llvm::StringRef name, rt::BufferKind kind, int64_t bytes,
                   llvm::StringRef unit);
  Slice resultSlice(mlir::Value result, llvm::StringRef name,
                    llvm::StringRef unit);
  Slice sliceOf(mlir::Value value) { return slices.lookup(value); }
  bool diesAt(mlir::Value value, mlir::Operation *op);
  void assign(mlir::Value value, Slice slice);

  // Ops.
  mlir::LogicalResult convert(mlir::Operation *op);
  mlir::LogicalResult convert(train::KernelOp op);
  mlir::LogicalResult convert(onnx::MatMulOp op);
  mlir::LogicalResult convert(train::LinearOp op);
  template <typename Op>
  mlir::LogicalResult convertProduct(Op op, llvm::ArrayRef<mlir::Value> added,
                                     int32_t adds);
  void multiply(const LibraryProduct &product, int64_t scratchBytes,
                llvm::SmallVectorImpl<mlir::Attribute> &args);
  bool isUpdatedInUse(sharding::AllGatherStartOp op);
  mlir::IntegerAttr communicator(llvm::StringRef purpose,
                                 llvm::ArrayRef<mlir::StringAttr> axes,
                                 rt::Stream stream);
  void addSumScratch(llvm::SmallVectorImpl<mlir::Attribute> &args,
                     llvm::StringRef name, int64_t allBytes,
                     llvm::StringRef unit);
  void convert(sharding::AllGatherStartOp op);
  void convert(sharding::ReduceScatterStartOp op);
  void convert(sharding::WaitOp op);
  void convert(sharding::AllReduceOp op);
  mlir::LogicalResult sumSquares(sharding::SumOfSquaresOp op,
                                 llvm::ArrayRef<mlir::Type> types,
                                 llvm::ArrayRef<Slice> ins, int64_t block,
                                 mlir::Type type, Slice result);
  mlir::LogicalResult sumSquaresOfEach(sharding::SumOfSquaresOp op,
                                       llvm::ArrayRef<mlir::Type> types,
                                       llvm::ArrayRef<Slice> ins, int64_t block,
                                       Slice partial);
  mlir::LogicalResult convert(sharding::SumOfSquaresOp op);
  mlir::LogicalResult convert(sharding::UpdateOp op);
  mlir::LogicalResult updateFactored(sharding::UpdateOp op,
                                     const LineBuffers &line);
  mlir::FailureOr<Slice> sumFactors(sharding::UpdateOp op,
                                    const LineBuffers &line);
  mlir::FailureOr<Slice> moveFactors(sharding::UpdateOp op,
                                     const LineBuffers &line, Slice sums);
  void sumOverRanks(Slice slice, mlir::RankedTensorType type,
                    llvm::ArrayRef<mlir::StringAttr> axes);
  void addClipAndRank(sharding::UpdateOp op, llvm::SmallVectorImpl<Slice> &ins,
                      llvm::SmallVectorImpl<mlir::Type> &types);
  mlir::LogicalResult addMicrobatch(mlir::Operation *at, llvm::StringRef unit,
                                    mlir::Type type, Slice x, Slice state,
                                    Slice microbatch,
                                    std::optional<Slice> result);
  mlir::LogicalResult convert(train::AccumulateOp op);
  mlir::LogicalResult convert(train::TotalOp op);
  mlir::LogicalResult convert(sharding::AccumulateOp op);
  mlir::LogicalResult convert(sharding::AccumulateGradientsOp op);
  Slice completeLine(const LineBuffers &line, mlir::Operation *op,
                     mlir::ValueRange grads);
  void beginPhase(llvm::StringRef name, rt::Runs runs);
  mlir::LogicalResult fillState(sharding::LoadOp op, Slice state,
                                mlir::Type type, double initial);
  mlir::LogicalResult convert(sharding::LoadOp op);
  void convert(sharding::StoreOp op);
  void zeroStates();
  void writeConstants();
  void writeResults();

  // Dispatches.
  std::optional<Slice> takeOver(train::KernelOp op, mlir::Value result,
                                llvm::ArrayRef<unsigned> allowed,
                                llvm::ArrayRef<Slice> ins,
                                llvm::ArrayRef<Slice> taken);
  mlir::LogicalResult launch(train::KernelOp kernel, llvm::ArrayRef<Slice> ins,
                             llvm::ArrayRef<Slice> outs, llvm::StringRef unit);
  using BuildBody =
      llvm::function_ref<mlir::ValueRange(mlir::OpBuilder &, mlir::Block *)>;
  mlir::LogicalResult launchBuilt(mlir::Operation *at, llvm::StringRef name,
                                  llvm::StringRef unit, llvm::StringRef scope,
                                  mlir::TypeRange inputs, BuildBody buildBody,
                                  llvm::ArrayRef<Slice> ins,
                                  llvm::ArrayRef<Slice> outs);
  mlir::LogicalResult launchFlat(mlir::Operation *at, llvm::StringRef name,
                                 llvm::StringRef unit, mlir::TypeRange inputs,
                                 BuildBody buildBody, llvm::ArrayRef<Slice> ins,
                                 llvm::ArrayRef<Slice> outs) {
    return launchBuilt(at, name, unit, "optimizer", inputs, buildBody, ins,
                       outs);
  }
  void copy(Slice from, Slice to, llvm::StringRef name, llvm::StringRef unit);
  void fill(Slice slice, llvm::StringRef name, llvm::StringRef unit);
  void zeroGaps(const LineBuffers &line, Slice buffer);

  Program &program;
  mlir::func::FuncOp func;
  mlir::Block &block;
  mlir::OpBuilder &phases; ///< where they are built, one after the other
  PhaseBuilder phase;
  llvm::DenseMap<mlir::Value, Slice> slices;
  llvm::DenseMap<mlir::Value, Slice>
      placed; ///< gradients: where they must be computed
  llvm::DenseMap<mlir::Value, Pending> pendings;
  llvm::DenseMap<mlir::Operation *, Slice> gradientLines;
  llvm::DenseMap<mlir::Value, int64_t> lastUse; ///< place in the block
  llvm::DenseMap<int64_t, int64_t>
      lastUseOf; ///< of a buffer, by any value in it
  llvm::DenseMap<mlir::Operation *, int64_t> placeOf;
};

/// The range that parameter `index` takes in the line held by `buffer`.
Slice parameterSlice(sharding::LayoutAttr layout, size_t index,
                     const Slice &buffer);

/// Converts `func` to a phase at `builder`'s insertion point; a step to three,
/// as `train.update_begin` parts it.
mlir::LogicalResult convertPhase(Program &program, mlir::OpBuilder &builder,
                                 mlir::func::FuncOp func, rt::Runs runs);
} // namespace fsdp

#endif // FSDP_PASSES_PLAN_PHASECONVERTER_H
