//===- Emitter.h - The body of one kernel -----------------------*- C++ -*-===//
#ifndef FSDP_PASSES_KERNEL_EMITTER_H
#define FSDP_PASSES_KERNEL_EMITTER_H

#include "dialects/Train/Train.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

#include <functional>

namespace fsdp {
/// Columns that one iteration of a column reduction works on.
inline constexpr int64_t kColumnBlock = 256;

/// Rows that a column reduction adds at once: each store of a sum then serves
/// as many loads, and as many rows are on their way from memory.
inline constexpr int64_t kRowGroup = 16;

/// Attribute of loops whose iterations share nothing and hold no loop of
/// linalg.generic but reductions of their own: a GPU's threads share them.
inline constexpr llvm::StringLiteral kParallelLoop = "parallel";

/// What LLVM must know of a maximum to vectorise its reduction.
inline constexpr auto kVectorizableMax =
    mlir::arith::FastMathFlags::nnan | mlir::arith::FastMathFlags::nsz;

/// What the emitters of single ops share: the kernel's buffers as memrefs, the
/// range of its outer loop, and the loops that kernels are made of.
///
/// A kernel is a loop over rows (or elements, or blocks) whose body is a few
/// linalg.generic ops on one row each; values between them are scalars or
/// results of the kernel. So nothing needs a temporary buffer, every innermost
/// loop is a scalar loop that LLVM vectorises, and where a result shares an
/// operand's buffer each element is read before it is written.
class Emitter {
public:
  using Scalars = mlir::ValueRange;
  using Body = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                              Scalars)>;
  using Terms = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::OpBuilder &, mlir::Location, Scalars)>;

  Emitter(mlir::OpBuilder &builder, mlir::Location loc)
      : b(builder), loc(loc) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  llvm::SmallVector<mlir::Value> ins, outs; ///< memrefs of the tensors' shapes
  mlir::Value begin, end;                   ///< index
  mlir::Value status;                       ///< memref<i32>, 0 at first
  mlir::Value scratch; ///< a worker's own, one-dimensional; null: none

  int64_t extent = 1;
  bool callsLibrary = true; ///< products of tiles by fsdprt_tile_gemm

  /// What a row kernel's elementwise neighbours add to it (EmitRowChain.cpp):
  /// computed from `prologueRows(i)` before row i is read, and applied to what
  /// the row's last loop stores, with the elements of `epilogueRows(i)`. Null:
  /// nothing.
  std::function<void(mlir::Value)> prologue;
  std::function<llvm::SmallVector<mlir::Value>(mlir::Value)> prologueRows;
  std::function<llvm::SmallVector<mlir::Value>(mlir::Value)> epilogueRows;
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value,
                            Scalars)>
      epilogue;

  /// What a reduction folds, from the elements of `ins`; null: those of its
  /// only operand (EmitRowChain.cpp).
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, Scalars)> chain;

  // Values.
  mlir::Value index(int64_t value);
  mlir::Value number(mlir::Type type, double value);
  mlir::Value load(mlir::Value memref, mlir::ValueRange indices = {});
  void store(mlir::Value value, mlir::Value memref,
             mlir::ValueRange indices = {});

  // Half-precision floats are computed in f32: `load` and the bodies below see
  // f32, what is stored is rounded once.
  mlir::Type computeType(mlir::Type element);
  static mlir::Value widen(mlir::OpBuilder &builder, mlir::Location loc,
                           mlir::Value value);
  /// `value` in the floating type `type`.
  static mlir::Value convert(mlir::OpBuilder &builder, mlir::Location loc,
                             mlir::Value value, mlir::Type type);

  /// A variable or a tile of `extents` on the stack, allocated once a call.
  mlir::Value stack(mlir::Type type, llvm::ArrayRef<int64_t> extents = {});

  /// `memref` (dense) as one of `shape`, dense.
  mlir::Value view(mlir::Value memref, llvm::ArrayRef<int64_t> shape);
  /// Entries [from, to) of the first dimension.
  mlir::Value rows(mlir::Value memref, mlir::Value from, mlir::Value to);
  /// Entry `i` of the first dimension, without that dimension.
  mlir::Value row(mlir::Value memref, mlir::Value i);
  /// Entries [low, low + count) of a one-dimensional memref.
  mlir::Value slice(mlir::Value memref, mlir::Value low, mlir::Value count);
  /// Element i at `offset` + i * `stride` of a dense memref.
  mlir::Value strided(mlir::Value memref, mlir::Value offset,
                      mlir::OpFoldResult count, int64_t stride);
  /// Place of `linear` in a row-major index space.
  llvm::SmallVector<mlir::Value> delinearize(mlir::Value linear,
                                             llvm::ArrayRef<int64_t> extents);

  // Loops.
  /// for i in [from, to): body(i).
  void loop(mlir::Value from, mlir::Value to,
            llvm::function_ref<void(mlir::Value)> body);
  /// The same with iterations that share nothing (kParallelLoop).
  void parallelLoop(mlir::Value from, mlir::Value to,
                    llvm::function_ref<void(mlir::Value)> body);
  // Operands `rowIns` of the following are one-dimensional, or scalars for all
  // i; results are one-dimensional.
  /// out[i] = body(ins[i]...).
  void map(llvm::ArrayRef<mlir::Value> rowIns, mlir::Value rowOut, Body body);
  /// The fold of `body` (accumulator first, then the rows' elements) from
  /// `init`.
  mlir::Value reduce(llvm::ArrayRef<mlir::Value> rowIns, mlir::Value init,
                     Body body);
  /// Sum of body(ins[i]...), in `type`.
  mlir::Value sum(llvm::ArrayRef<mlir::Value> rowIns, mlir::Type type,
                  Body body);
  /// Several such sums in one loop: of body(ins[i]...)[k], in `type`.
  llvm::SmallVector<mlir::Value> sums(llvm::ArrayRef<mlir::Value> rowIns,
                                      mlir::Type type, size_t count,
                                      Terms body);
  /// Rows [0, count) in groups of kRowGroup, then what is left: body(first row,
  /// rows of this group).
  void groups(int64_t count,
              llvm::function_ref<void(mlir::Value, int64_t)> body);
  /// Rows [from, to) in groups of `size`, then one by one.
  void groups(mlir::Value from, mlir::Value to, int64_t size,
              llvm::function_ref<void(mlir::Value, int64_t)> body);
  /// rowOuts[i] = body(row elements...)[i]; the body reads what the outs hold
  /// after the elements of `rowIns`.
  void mapAll(llvm::ArrayRef<mlir::Value> rowIns,
              llvm::ArrayRef<mlir::Value> rowOuts, Terms body);
  /// Asks for part `part` of `parts` of a row that is read soon: where a row is
  /// passed over more than once, only the first pass would fetch from memory.
  void prefetch(mlir::Value row, int64_t part, int64_t parts);
  void fill(mlir::Value memref, mlir::Value value);
  /// First column and number of columns of block `block` of [0, width).
  struct Columns {
    mlir::Value low, size;
  };
  Columns columnBlock(mlir::Value block, int64_t width);
  mlir::Value slice(mlir::Value memref, Columns columns) {
    return slice(memref, columns.low, columns.size);
  }
  /// Sets the kernel's status to 2 where `bad` is true.
  void failIf(mlir::Value bad);

  // Short forms of arith.
  mlir::Value add(mlir::Value a, mlir::Value c);
  mlir::Value sub(mlir::Value a, mlir::Value c);
  mlir::Value mul(mlir::Value a, mlir::Value c);
  mlir::Value div(mlir::Value a, mlir::Value c);
  /// a + c, in any order: lets a reduction be vectorised.
  mlir::Value accumulate(mlir::OpBuilder &builder, mlir::Value a,
                         mlir::Value c);
  /// An integer scalar as index.
  mlir::Value toIndex(mlir::Value value);
  /// max(0, min(place - offset, count)) of indices.
  mlir::Value within(mlir::Value place, int64_t offset, int64_t count);
};

/// Each emits the op's kernel (or fails with an error on the op). Elementwise
/// groups are emitted whole; all other kernels hold one op, and row kernels
/// elementwise ones beside it.
/// One op of a chain on widened scalars.
mlir::Value emitElementwiseOp(Emitter &e, mlir::OpBuilder &b,
                              mlir::Location loc, mlir::Operation *op,
                              mlir::ValueRange operands);
mlir::LogicalResult emitElementwise(Emitter &e, train::KernelOp kernel);
mlir::LogicalResult emitIndex(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitOrderedIndex(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitMove(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitOrder(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitReduction(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitProduct(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitRows(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitNorm(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitLoss(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitUpdate(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitFactors(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitAttention(Emitter &e, mlir::Operation *op);
mlir::LogicalResult emitAttentionRows(Emitter &e, mlir::Operation *op);

/// Sets up what comes before and after `root`, the one op of `kernel` that is
/// not elementwise; `ins` are those of the kernel. Returns the memrefs of the
/// root's operands.
llvm::SmallVector<mlir::Value> setUpRowChain(Emitter &e, train::KernelOp kernel,
                                             mlir::Operation *root);

/// Sets up `e.chain` as the elementwise ops of `kernel` before the reduction
/// `root`, if there are any; `ins` are those of the kernel.
void setUpReductionChain(Emitter &e, train::KernelOp kernel,
                         mlir::Operation *root);

/// A worker's scratch in the kernel of `op`; null when it needs none.
mlir::MemRefType scratchOfAttention(mlir::Operation *op);
mlir::MemRefType scratchOfIndex(mlir::Operation *op);
mlir::MemRefType scratchOfProduct(mlir::Operation *op);
} // namespace fsdp

#endif // FSDP_PASSES_KERNEL_EMITTER_H
