//===- Emitter.h - Builds canonical ops, or evaluates them ------*- C++ -*-===//
#ifndef FSDP_DIALECTS_ONNX_IMPORT_EMITTER_H
#define FSDP_DIALECTS_ONNX_IMPORT_EMITTER_H

#include "dialects/Onnx/Import/ConstantCache.h"
#include "dialects/Onnx/Onnx.h"

namespace fsdp::onnx {
/// A value of the graph at import: known, or computed by an op, or a sequence,
/// or absent (an optional input).
struct Operand {
  SharedTensor constant;
  mlir::Value value;
  std::shared_ptr<std::vector<Operand>> sequence;

  Operand() = default;
  Operand(mlir::Value value) : value(value) {}
  Operand(Tensor tensor)
      : constant(std::make_shared<Tensor>(std::move(tensor))) {}
  bool present() const { return constant || value || sequence; }
  /// Whether shape and element type are known.
  bool isTensor() const;
  mlir::RankedTensorType type() const;
  llvm::ArrayRef<int64_t> shape() const { return type().getShape(); }
  int64_t rank() const { return type().getRank(); }
  mlir::Type elementType() const { return type().getElementType(); }
};
using MaybeOperand = mlir::FailureOr<Operand>;

/// Constants with more elements are not computed with: it would take minutes,
/// and more memory than there is.
constexpr int64_t maxConstantElements = int64_t(1) << 30;

/// Every function computes at once when its operands are constants and builds
/// an op when one is not; so decompositions are written once and fold as they
/// are built. They fail after an error at the node's location, or, where the
/// set has no such op on values that are not constant, without any: then the
/// node is outside the set.
class Emitter {
public:
  Emitter(mlir::OpBuilder &builder) : builder(builder) {}

  mlir::OpBuilder &builder;
  mlir::Location loc = builder.getUnknownLoc();
  std::string scope;
  ConstantCache cache;

  /// The SSA value of an operand; a constant is written into the IR here.
  mlir::Value materialize(const Operand &x);
  mlir::InFlightDiagnostic error() { return mlir::emitError(loc); }

  /// What `compute` makes of the constants in `key`; an error calls it `what`.
  MaybeOperand once(const ConstantKey &key, llvm::StringRef what,
                    llvm::function_ref<MaybeTensor()> compute);

  /// Fails after an error where a result of that shape is too large: to be, or
  /// to be `computed` here, element by element.
  bool checkSize(llvm::ArrayRef<int64_t> shape, bool computed = false);

  MaybeOperand unary(Unary kind, const Operand &x);
  MaybeOperand binary(Binary kind, const Operand &a, const Operand &b);
  MaybeOperand where(const Operand &condition, const Operand &a,
                     const Operand &b);
  MaybeOperand cast(const Operand &x, mlir::Type elementType);
  MaybeOperand reshape(const Operand &x, llvm::ArrayRef<int64_t> shape);
  /// `x`, from which no gradient flows back.
  MaybeOperand stopGradient(const Operand &x);
  MaybeOperand transpose(const Operand &x, llvm::ArrayRef<int64_t> perm);
  MaybeOperand expand(const Operand &x, llvm::ArrayRef<int64_t> shape);
  MaybeOperand slice(const Operand &x, llvm::ArrayRef<int64_t> starts,
                     llvm::ArrayRef<int64_t> steps,
                     llvm::ArrayRef<int64_t> extents);
  MaybeOperand pad(const Operand &x, llvm::ArrayRef<int64_t> low,
                   llvm::ArrayRef<int64_t> extents, double value);
  MaybeOperand concat(llvm::ArrayRef<Operand> xs, int64_t axis);
  mlir::FailureOr<llvm::SmallVector<Operand>>
  split(const Operand &x, int64_t axis, llvm::ArrayRef<int64_t> extents);
  MaybeOperand gather(const Operand &table, const Operand &indices,
                      int64_t axis, std::optional<int64_t> paddingIdx);
  /// Rows of `table`, or of one table for each of the first `batchDims` extents
  /// (`onnx.gather`); indices are in range, or checked at run time.
  MaybeOperand gatherRows(const Operand &table, const Operand &indices,
                          int64_t batchDims);
  /// `onnx.scatter`.
  MaybeOperand scatterRows(const Operand &x, const Operand &indices,
                           const Operand &updates, int64_t batchDims, bool add);
  /// Values and indices of `onnx.top_k`.
  mlir::FailureOr<std::pair<Operand, Operand>> topK(const Operand &x, int64_t k,
                                                    bool smallest);
  MaybeOperand cumsum(const Operand &x, int64_t axis, bool exclusive,
                      bool reverse);
  MaybeOperand reduce(Reduction kind, const Operand &x,
                      llvm::ArrayRef<int64_t> axes, bool keepdims);
  MaybeOperand matmul(const Operand &a, const Operand &b, bool transA = false,
                      bool transB = false);
  MaybeOperand softmax(const Operand &x);

  /// A constant of x's element type.
  Operand scalarLike(const Operand &x, double value) {
    return Tensor::splat(x.elementType(), {}, value);
  }

  /// Builds an op whose result types follow from its operands; an error of
  /// theirs is emitted. Identities fold.
  template <typename Op>
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  build(mlir::ValueRange operands,
        llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    llvm::SmallVector<mlir::NamedAttribute> all(attributes);
    all.push_back(builder.getNamedAttr("scope", builder.getStringAttr(scope)));
    auto dictionary = builder.getDictionaryAttr(all);
    typename Op::Properties properties;
    llvm::SmallVector<mlir::Type> types;
    if (failed(Op::setPropertiesFromAttr(properties, dictionary,
                                         [&] { return error(); })) ||
        failed(Op::inferReturnTypes(builder.getContext(), loc, operands,
                                    dictionary, &properties, {}, types)))
      return mlir::failure();
    return create(Op::getOperationName(), operands, types, all);
  }

  /// Builds an op with result types given.
  template <typename Op>
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  buildAs(mlir::TypeRange types, mlir::ValueRange operands,
          llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    llvm::SmallVector<mlir::NamedAttribute> all(attributes);
    all.push_back(builder.getNamedAttr("scope", builder.getStringAttr(scope)));
    return create(Op::getOperationName(), operands, types, all);
  }

  mlir::NamedAttribute ints(llvm::StringRef name,
                            llvm::ArrayRef<int64_t> values) {
    return builder.getNamedAttr(name, builder.getDenseI64ArrayAttr(values));
  }
  mlir::NamedAttribute flag(llvm::StringRef name) {
    return builder.getNamedAttr(name, builder.getUnitAttr());
  }
  mlir::NamedAttribute integer(llvm::StringRef name, int64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
  }
  mlir::NamedAttribute real(llvm::StringRef name, double value) {
    return builder.getNamedAttr(name, builder.getF64FloatAttr(value));
  }

private:
  /// Fails after an error where the op is not valid.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  create(llvm::StringRef name, mlir::ValueRange operands, mlir::TypeRange types,
         llvm::ArrayRef<mlir::NamedAttribute> attributes);
  Operand withoutCopies(const Operand &x, llvm::ArrayRef<int64_t> other);
  MaybeOperand gatherConstantRows(const Operand &table, const Tensor &indices,
                                  bool &done);
};
} // namespace fsdp::onnx

#endif // FSDP_DIALECTS_ONNX_IMPORT_EMITTER_H
