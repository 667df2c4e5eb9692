//===- Train.cpp - The train dialect --------------------------------------===//
#include "dialects/Train/Train.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp::train;

#include "dialects/Train/TrainDialect.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Train/TrainAttrs.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Train/TrainOps.cpp.inc"

void TrainDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Train/TrainAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Train/TrainOps.cpp.inc"
      >();
}

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("region arguments do not match the operands");
  auto yield = cast<YieldOp>(block.getTerminator());
  if (yield.getValues().getTypes() != getOutputs().getTypes())
    return emitOpError("yielded values do not match the results");
  for (Operation &op : block.without_terminator())
    if (!isMemoryEffectFree(&op))
      return emitOpError("holds '")
             << op.getName() << "', which has side effects";
  return success();
}

LogicalResult StateOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (type && type.getRank() == 0 &&
      (type.getElementType().isF32() || type.getElementType().isF64()))
    return success();
  return emitOpError("has type ")
         << getType() << ", expected a scalar of f32 or f64 (state_c1)";
}

/// (state_c2)
static LogicalResult verifyState(Operation *op, SymbolTableCollection &tables,
                                 FlatSymbolRefAttr name, Type type) {
  auto state = tables.lookupNearestSymbolFrom<StateOp>(op, name);
  if (state && state.getType() == type)
    return success();
  auto diagnostic = op->emitOpError("uses state ") << name << " as " << type;
  if (state)
    diagnostic << ", which is declared as " << state.getType();
  else
    diagnostic << ", which is not declared";
  return diagnostic << " (state_c2)";
}

LogicalResult AccumulateOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyState(*this, tables, getStateAttr(), getX().getType());
}

LogicalResult TotalOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyState(*this, tables, getStateAttr(), getOwn().getType());
}

LogicalResult BarrierOp::verify() {
  if (getXs().empty())
    return emitOpError("has no operand, expected at least one (barrier_c1)");
  if (getXs().getTypes() != getYs().getTypes())
    return emitOpError("results do not have the operands' types (barrier_c2)");
  return success();
}

/// (norm_grad_c1)
static LogicalResult verifyParts(Operation *op, Value x, Value rstd,
                                 ValueRange parts, size_t expected) {
  auto type = cast<RankedTensorType>(x.getType());
  int64_t width = type.getRank() ? type.getShape().back() : 0;
  Type element = cast<RankedTensorType>(rstd.getType()).getElementType();
  if (width == 0)
    return op->emitOpError("x is a scalar or empty");
  if (!parts.empty() && parts.size() != expected)
    return op->emitOpError("has ")
           << parts.size() << " parts, expected none or " << expected
           << " (norm_grad_c1)";
  for (Value part : parts) {
    auto own = cast<RankedTensorType>(part.getType());
    bool fits = own.getRank() == 2 && own.getElementType() == element &&
                own.getDimSize(1) == width && own.getDimSize(0) > 0 &&
                own.getDimSize(0) <= type.getNumElements() / width &&
                own == parts.front().getType();
    if (!fits)
      return op->emitOpError("has a part of type ")
             << own << ", expected one of shape [P, " << width << "] of "
             << element << ", all of one P, at most the number of rows "
             << "(norm_grad_c1)";
  }
  return success();
}

LogicalResult LayerNormGradOp::verify() {
  return verifyParts(*this, getX(), getRstd(), getParts(), 2);
}

LogicalResult RmsNormGradOp::verify() {
  return verifyParts(*this, getX(), getRstd(), getParts(), 1);
}

LogicalResult LinearOp::verify() {
  auto product = fsdp::onnx::inferMatMul(getLoc(), getLhs(), getRhs(),
                                         getTransA(), getTransB());
  if (failed(product))
    return failure();
  auto y = cast<RankedTensorType>(getY().getType());
  if (y != *product) // linear_c1
    return emitOpError("result type ")
           << y << " is not the product's " << *product << " (linear_c1)";
  if (getBias()) { // linear_c2
    auto bias = cast<RankedTensorType>(getBias().getType());
    int64_t width = y.getShape().back();
    if (bias.getElementType() != y.getElementType() || bias.getRank() == 0 ||
        bias.getShape().back() != width || bias.getNumElements() != width)
      return emitOpError("bias type ")
             << bias << " is not one row of " << y << " (linear_c2)";
  }
  if (getResidual() && getResidual().getType() != y) // linear_c3
    return emitOpError("residual type ")
           << getResidual().getType() << " is not the result's " << y
           << " (linear_c3)";
  return success();
}

LogicalResult AttentionGradOp::verify() {
  auto types = fsdp::onnx::inferAttention(getLoc(), getQ(), getK(), getV(),
                                          getMask(), getCausal());
  if (failed(types))
    return failure();
  Value saved[] = {getDy(), getMax(), getSum()};
  for (auto [value, type] : llvm::zip_equal(saved, *types))
    if (value.getType() != type)
      return emitOpError("operand type ")
             << value.getType() << " does not match the attention's result "
             << type << " (attention_grad_c1)";
  return success();
}

/// (attention_rows_c1)
template <typename Op> static LogicalResult verifyBlockTypes(Op op) {
  auto scores = cast<RankedTensorType>(op.getScores().getType());
  auto p = cast<RankedTensorType>(op.getP().getType());
  Type row = RankedTensorType::get(
      scores.getShape().drop_back(scores.getRank() ? 1 : 0),
      scores.getElementType());
  if (scores.getRank() != 4 || p.getShape() != scores.getShape() ||
      fsdp::onnx::statisticsType(p.getElementType()) !=
          scores.getElementType() ||
      op.getMax().getType() != row || op.getSum().getType() != row)
    return op.emitOpError("has scores of type ")
           << scores << " for probabilities of type " << p
           << " and rows of types " << op.getMax().getType() << " and "
           << op.getSum().getType() << " (attention_rows_c1)";
  return success();
}

template <typename Op> static LogicalResult verifyBlock(Op op) {
  if (failed(verifyBlockTypes(op)))
    return failure();
  ArrayRef<int64_t> shape =
      cast<RankedTensorType>(op.getScores().getType()).getShape();
  int64_t height = op.getHeight(), width = op.getWidth(), first = op.getFirst();
  int64_t columns = op.getCausal() ? first + shape[2] + width - height : width;
  if (first < 0 || first + shape[2] > height || shape[3] != columns ||
      (op.getCausal() && height > width)) // attention_rows_c2
    return op.emitOpError("has rows from ")
           << first << " on of " << height << " x " << width
           << " scores of shape [" << shape << "], expected " << columns
           << " columns (attention_rows_c2)";
  if (!op.getMask())
    return success();
  auto mask = cast<RankedTensorType>(op.getMask().getType());
  SmallVector<int64_t> all = {shape[0], shape[1], height, width};
  auto joined = fsdp::onnx::broadcastShapes(all, mask.getShape());
  auto elementOf = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getElementType();
  };
  Type element = mask.getElementType();
  if (failed(joined) || *joined != all ||
      (element != elementOf(op.getP()) &&
       element != elementOf(op.getScores()))) // attention_rows_c3
    return op.emitOpError("has a mask of type ")
           << mask << ", expected one that broadcasts to [" << all
           << "] (attention_rows_c3)";
  return success();
}

LogicalResult AttentionRowsOp::verify() { return verifyBlock(*this); }

LogicalResult AttentionRowsGradOp::verify() {
  if (getDp().getType() != getScores().getType() ||
      getDs().getType() != getP().getType())
    return emitOpError("has dp of type ")
           << getDp().getType() << " and ds of type " << getDs().getType()
           << ", expected those of scores and p (attention_rows_c1)";
  return verifyBlock(*this);
}

LogicalResult AttentionDivideOp::verify() {
  auto values = cast<RankedTensorType>(getValues().getType());
  auto sum = cast<RankedTensorType>(getSum().getType());
  auto y = cast<RankedTensorType>(getY().getType());
  if (values.getRank() != 4 || y.getShape() != values.getShape() ||
      sum.getShape() != values.getShape().drop_back() ||
      sum.getElementType() != values.getElementType())
    return emitOpError("makes ")
           << y << " of values of type " << values << " and sums of type "
           << sum << " (attention_divide_c1)";
  if (getRows() < 1 || int64_t(getRows()) > values.getDimSize(2))
    return emitOpError("has blocks of ")
           << getRows() << " rows, expected 1 to " << values.getDimSize(2)
           << " (attention_divide_c2)";
  return success();
}

/// (flat_update_c1)
static LogicalResult verifyRanges(FlatUpdateOp op) {
  auto ranges = llvm::to_vector(op.getRanges().getAsRange<RangeAttr>());
  if (ranges.empty())
    return op.emitOpError("has no ranges (flat_update_c1)");
  int64_t end = 0;
  for (RangeAttr range : ranges) {
    if (range.getEnd() < end)
      return op.emitOpError("has a range that ends at ")
             << range.getEnd() << " after " << end << " (flat_update_c1)";
    end = range.getEnd();
    std::string first = ranges.front().getRule().getStateKey();
    if (range.getRule().getStateKey() != first)
      return op.emitOpError("has rules with states [")
             << first << "] and [" << range.getRule().getStateKey()
             << "] (flat_update_c1)";
    if (range.getRule().isFactored())
      return op.emitOpError("has a rule with factored moments "
                            "(flat_update_c1)");
  }
  return success();
}

static bool isScalarOfI64(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getRank() == 0 && tensor.getElementType().isInteger(64);
}

/// (flat_update_c4)
static LogicalResult verifyRounding(FlatUpdateOp op) {
  bool rounds = op.getRule(0).isRounded();
  auto keys = op.getKeys() ? cast<RankedTensorType>(op.getKeys().getType())
                           : RankedTensorType();
  bool fits = rounds == bool(op.getSeed()) && rounds == bool(keys);
  if (rounds && fits)
    fits = op.getStep() && op.getP().getType().getElementType().isF32() &&
           isScalarOfI64(op.getSeed().getType()) &&
           keys.getElementType().isInteger(64) && keys.getRank() == 1 &&
           keys.getNumElements() == int64_t(op.getRanges().size());
  for (auto range : op.getRanges().getAsRange<RangeAttr>())
    fits &= rounds ? range.getStride() > 0 : range.getStride() == 0;
  if (fits)
    return success();
  return op.emitOpError("of ")
         << op.getRanges().size() << " ranges "
         << (rounds ? "rounds its states, expected f32 parameters, a step, a "
                      "seed, an i64 key and a stride for each range"
                    : "rounds no state, expected no seed, keys and strides")
         << " (flat_update_c4)";
}

LogicalResult FlatUpdateOp::verify() {
  if (failed(verifyRanges(*this)) || failed(verifyRounding(*this)))
    return failure();
  SmallVector<OptimizerState> kept = getRule(0).getStates();
  size_t states = kept.size();
  bool readsStep =
      llvm::any_of(getRanges().getAsRange<RangeAttr>(),
                   [](RangeAttr range) { return range.getRule().readsStep(); });
  if (getStates().size() != states || (readsStep && !getStep()))
    return emitOpError("has ")
           << getStates().size() << " states and " << (getStep() ? "a" : "no")
           << " step, expected " << states << " and "
           << (readsStep ? "one" : "any") << " (flat_update_c2)";
  size_t updated = getUpdated().size();
  auto p = cast<RankedTensorType>(getP().getType());
  auto g = cast<RankedTensorType>(getG().getType());
  bool fits = p.getRank() == 1 && g.getShape() == p.getShape() &&
              (updated == states + 1 || updated == states + 2);
  auto typeOf = [&](size_t state) -> Type {
    return p.clone(kept[state].typeIn(p.getElementType()));
  };
  for (auto [i, type] : llvm::enumerate(getStates().getTypes()))
    fits &= type == typeOf(i);
  for (auto [i, type] : llvm::enumerate(getUpdated().getTypes()))
    fits &= i > states ? cast<RankedTensorType>(type).getShape() == p.getShape()
                       : type == (i == 0 ? Type(p) : typeOf(i - 1));
  if (!fits)
    return emitOpError("has operands ")
           << getOperandTypes() << " and results " << getResultTypes()
           << ", expected those of p for " << states
           << " states (flat_update_c3)";
  return success();
}

LogicalResult SumOfSquaresOp::verify() {
  if (!getBlock())
    return success();
  int64_t elements = 0;
  for (Type type : getXs().getTypes())
    elements += cast<RankedTensorType>(type).getNumElements();
  int64_t blocks = getSum().getType().getNumElements();
  int64_t block = *getBlock();
  if (block < 1 || elements > blocks * block)
    return emitOpError("has ")
           << blocks << " blocks of " << block << " elements for " << elements
           << " (sum_of_squares_c1)";
  return success();
}

LogicalResult ReducePartsOp::verify() {
  auto x = cast<RankedTensorType>(getX().getType());
  auto y = cast<RankedTensorType>(getY().getType());
  ArrayRef<int64_t> axes = getAxes();
  for (auto [i, axis] : llvm::enumerate(axes))
    if (axis != axes.front() + int64_t(i) || axis < 0 || axis >= x.getRank())
      return emitOpError("reduces axes ")
             << axes << " of " << x
             << ", expected neighbours in order (reduce_parts_c1)";
  if (axes.empty() || getSize() < 1 || getDivisor() < 1)
    return emitOpError("has no axis, or a size or divisor below 1 "
                       "(reduce_parts_c1, reduce_parts_c2)");
  int64_t reduced = 1, kept = 1;
  for (int64_t i = 0; i < x.getRank(); ++i)
    (llvm::is_contained(axes, i) ? reduced : kept) *= x.getDimSize(i);
  int64_t parts = llvm::divideCeil(reduced, getSize());
  bool isAlone = parts == 1 && y.getNumElements() == kept;
  if (!isAlone && (y.getRank() == 0 || y.getDimSize(0) != parts ||
                   y.getNumElements() != parts * kept))
    return emitOpError("has the result ")
           << y << ", expected " << parts << " parts of " << kept
           << " elements (reduce_parts_c2)";
  Type from = x.getElementType(), to = y.getElementType();
  if (from != to && !(isa<FloatType>(from) && isa<FloatType>(to)))
    return emitOpError("is of ")
           << from << " to " << to
           << ", expected floats or one type (reduce_parts_c3)";
  return success();
}

/// (order_indices_c1)
static LogicalResult verifyOrder(Operation *op, Value order, Value sorted,
                                 int64_t count) {
  auto type = cast<RankedTensorType>(order.getType());
  if (type != sorted.getType() || type.getRank() != 1 ||
      type.getDimSize(0) != count)
    return op->emitOpError("has order ")
           << type << " and sorted " << sorted.getType() << ", expected "
           << count << " elements each of one type (order_indices_c1)";
  return success();
}

LogicalResult OrderIndicesOp::verify() {
  auto indices = cast<RankedTensorType>(getIndices().getType());
  return verifyOrder(*this, getOrder(), getSorted(), indices.getNumElements());
}

LogicalResult GatherGradOrderedOp::verify() {
  auto table = cast<RankedTensorType>(getDtable().getType());
  int64_t width = table.getRank() && table.getNumElements()
                      ? table.getNumElements() / table.getDimSize(0)
                      : 0;
  int64_t elements = cast<RankedTensorType>(getDy().getType()).getNumElements();
  if (width == 0 || elements % width != 0)
    return emitOpError("has dy of ") << elements << " elements for rows of "
                                     << width << " (order_indices_c1)";
  return verifyOrder(*this, getOrder(), getSorted(), elements / width);
}
