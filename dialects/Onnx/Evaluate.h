//===- Evaluate.h - Tensors known at compile time ---------------*- C++ -*-===//
//
// One evaluator for all that is known before the program runs: the folds of
// onnx ops and the importer's shape, mask and position chains.
//
//===----------------------------------------------------------------------===//
#ifndef FSDP_DIALECTS_ONNX_EVALUATE_H
#define FSDP_DIALECTS_ONNX_EVALUATE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include <vector>

namespace fsdp::onnx {
/// A constant tensor in C order. Floats are held as doubles that are always
/// representable in the element type, integers and booleans as int64. One
/// stored element under any shape is a splat.
struct Tensor {
  mlir::Type elementType;
  llvm::SmallVector<int64_t> shape;
  std::vector<double> floats;
  std::vector<int64_t> ints;

  Tensor() = default;
  Tensor(mlir::Type elementType, llvm::ArrayRef<int64_t> shape)
      : elementType(elementType), shape(shape.begin(), shape.end()) {}
  static Tensor ofInts(mlir::Type type, llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<int64_t> values);
  static Tensor splat(mlir::Type type, llvm::ArrayRef<int64_t> shape,
                      double value);

  bool isFloat() const { return mlir::isa<mlir::FloatType>(elementType); }
  int64_t rank() const { return shape.size(); }
  int64_t numElements() const;
  int64_t stored() const { return isFloat() ? floats.size() : ints.size(); }
  bool isSplat() const { return stored() == 1; }
  double asFloat(int64_t i) const;
  int64_t asInt(int64_t i) const;
  mlir::RankedTensorType type() const {
    return mlir::RankedTensorType::get(shape, elementType);
  }
  /// Room for `count` elements.
  void resize(int64_t count);
  /// Element i of `from`, of the same element type, as element j.
  void copy(int64_t j, const Tensor &from, int64_t i);
  /// Rounds `value` to the element type and stores it.
  void setFloat(int64_t i, double value);
};

/// Above this many bytes results are not folded, unless they are splats.
constexpr int64_t maxFoldedBytes = 64 << 20;

/// What `value` holds, or nothing when it is no dense attribute.
std::optional<Tensor> toTensor(mlir::Attribute value);
mlir::DenseElementsAttr toAttribute(const Tensor &tensor);

/// Elementwise functions of one operand that are an op, each under its op's
/// name: what treats all alike is made from this list.
// clang-format off
#define FSDP_ONNX_UNARY(X)                                                     \
  X(Neg) X(Abs) X(Sign) X(Floor) X(Ceil) X(Round) X(Sqrt) X(Reciprocal)        \
  X(Exp) X(Expm1) X(Log) X(Log1p) X(Sin) X(Cos) X(Tan) X(Asin) X(Acos)         \
  X(Atan) X(Sinh) X(Cosh) X(Tanh) X(Asinh) X(Acosh) X(Atanh) X(Erf)            \
  X(Sigmoid) X(Softplus) X(Relu) X(Not)
// clang-format on

#define FSDP_ONNX_KIND(KIND) KIND,
enum class Unary { FSDP_ONNX_UNARY(FSDP_ONNX_KIND) IsNaN, IsInf };
#undef FSDP_ONNX_KIND

enum class Binary {
  Add,
  Sub,
  Mul,
  Div,
  Pow,
  Max,
  Min,
  Mod,
  FMod,
  And,
  Or,
  Xor,
  Equal,
  Less,
  LessOrEqual,
  Greater,
  GreaterOrEqual
};
enum class Reduction { Sum, Mean, Max, Min, Prod };

bool isComparison(Binary kind);

/// Each returns nothing where the result is not defined (shapes that do not
/// agree, an index out of range, integer division by zero).
using MaybeTensor = std::optional<Tensor>;
MaybeTensor evaluate(Unary kind, const Tensor &x);
MaybeTensor evaluate(Binary kind, const Tensor &a, const Tensor &b);
MaybeTensor where(const Tensor &condition, const Tensor &a, const Tensor &b);
Tensor convert(const Tensor &x, mlir::Type elementType);
MaybeTensor reshape(const Tensor &x, llvm::ArrayRef<int64_t> shape);
Tensor transpose(const Tensor &x, llvm::ArrayRef<int64_t> perm);
MaybeTensor expand(const Tensor &x, llvm::ArrayRef<int64_t> shape);
Tensor slice(const Tensor &x, llvm::ArrayRef<int64_t> starts,
             llvm::ArrayRef<int64_t> steps, llvm::ArrayRef<int64_t> extents);
Tensor pad(const Tensor &x, llvm::ArrayRef<int64_t> low,
           llvm::ArrayRef<int64_t> extents, double value);
MaybeTensor concat(llvm::ArrayRef<const Tensor *> xs, int64_t axis);
/// Rows of `table` along its first axis; negative indices count from the end.
MaybeTensor gather(const Tensor &table, const Tensor &indices);
MaybeTensor gatherElements(const Tensor &x, const Tensor &indices,
                           int64_t axis);
MaybeTensor gatherND(const Tensor &x, const Tensor &indices, int64_t batchDims);
/// x with the slices that `indices` name replaced by `updates`, or, with `add`,
/// increased by them.
MaybeTensor scatterND(const Tensor &x, const Tensor &indices,
                      const Tensor &updates, bool add);
/// Values and indices of the k largest (or smallest) elements along the last
/// axis, in order; ties, NaN and bounds as in `onnx.top_k`.
std::pair<Tensor, Tensor> topK(const Tensor &x, int64_t k, bool smallest,
                               mlir::Type indexType);
Tensor reduce(Reduction kind, const Tensor &x, llvm::ArrayRef<int64_t> axes,
              bool keepdims);
Tensor cumsum(const Tensor &x, int64_t axis, bool exclusive, bool reverse);
Tensor triangle(const Tensor &x, int64_t diagonal, bool upper);
Tensor nonZero(const Tensor &x, mlir::Type indexType);
MaybeTensor matmul(const Tensor &a, const Tensor &b);

/// The same tensor with extent 1 along each of `axes` where all its parts
/// along the axis are equal.
Tensor collapseCopies(const Tensor &x, llvm::ArrayRef<int64_t> axes);
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_EVALUATE_H
