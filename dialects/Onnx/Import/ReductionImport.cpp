//===- ReductionImport.cpp - Sums, norms, products, maxima ----------------===//
//
// An operator that is no op of its own is a formula around a sum. Values and
// gradients are PyTorch's at its ends, too: a norm of zeros has gradient 0, a
// product with zeros the products of the others.
//
//===----------------------------------------------------------------------===//
#include "dialects/Onnx/Import/Formula.h"
#include "dialects/Onnx/Import/Handlers.h"

using namespace mlir;
using namespace fsdp::onnx;

namespace {
struct ReducedAxes {
  SmallVector<int64_t> axes;
  bool keepdims;
};

/// Axes are an operand since opset 18 (13 for sums), an attribute before; none
/// are all, or none where the node says so.
FailureOr<ReducedAxes> axesOf(NodeContext &c) {
  auto wanted = c.ints(1, "axes");
  if (c.has(1) && !wanted)
    return failure();
  int64_t rank = c.in[0].rank();
  if (!wanted || wanted->empty()) {
    wanted.emplace();
    if (!c.integer("noop_with_empty_axes", 0))
      llvm::append_range(*wanted, llvm::seq<int64_t>(0, rank));
  }
  auto axes = c.axes(*wanted, rank);
  if (failed(axes))
    return failure();
  llvm::sort(*axes);
  return ReducedAxes{*axes, c.integer("keepdims", 1) != 0};
}

/// Places in `axes` at extent 1, the others as they are.
SmallVector<int64_t> keptShape(ArrayRef<int64_t> shape, ArrayRef<int64_t> axes,
                               bool keepdims) {
  SmallVector<int64_t> kept;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    bool isReduced = llvm::is_contained(axes, int64_t(i));
    if (!isReduced || keepdims)
      kept.push_back(isReduced ? 1 : extent);
  }
  return kept;
}

/// Where x is largest along one axis (smallest with `Min`): one place a row,
/// the first of equals, the first NaN where there is one. As i1, in x's shape.
MaybeOperand firstMost(Formula &f, const Operand &x, Reduction kind,
                       int64_t axis) {
  Type f32 = Float32Type::get(x.elementType().getContext());
  SmallVector<int64_t> shape(x.rank(), 1);
  int64_t extent = shape[axis] = x.shape()[axis];
  Tensor places(f32, shape);
  places.resize(extent);
  for (int64_t i = 0; i < extent; ++i)
    places.setFloat(i, double(i));
  MaybeOperand place = Operand(std::move(places));
  MaybeOperand most = f.reduce(kind, x, {axis}, /*keepdims=*/true);
  MaybeOperand isMost = f.apply(Binary::Equal, x, most);
  if (isa<FloatType>(x.elementType()))
    isMost = f.apply(Binary::Or, isMost, f.apply(Unary::IsNaN, x));
  MaybeOperand candidate = f.where(isMost, place, double(extent));
  MaybeOperand first =
      f.reduce(Reduction::Min, candidate, {axis}, /*keepdims=*/true);
  return f.apply(Binary::Equal, place, first);
}

/// torch.max and torch.min along a dimension give the whole gradient to one
/// element; amax, amin and those of the whole tensor share it.
bool takesOne(NodeContext &c) {
  CallRecord call = parseCall(c.node.fxNode);
  return (call.target == "max" || call.target == "min") &&
         call.args.size() + call.kwargs.size() > 1;
}

template <Reduction kind> LogicalResult plain(NodeContext &c) {
  auto over = axesOf(c);
  if (failed(over))
    return failure();
  bool isExtreme = kind == Reduction::Max || kind == Reduction::Min;
  if (!isExtreme || c.in[0].constant || over->axes.size() != 1 || !takesOne(c))
    return c.result(c.e.reduce(kind, c.in[0], over->axes, over->keepdims));
  Formula f(c.e);
  MaybeOperand chosen =
      f.where(firstMost(f, c.in[0], kind, over->axes[0]), c.in[0], 0.0);
  return c.result(f.reduce(Reduction::Sum, chosen, over->axes, over->keepdims));
}

LogicalResult norm1(NodeContext &c) {
  auto over = axesOf(c);
  if (failed(over))
    return failure();
  Formula f(c.e);
  return c.result(f.reduce(Reduction::Sum, f.apply(Unary::Abs, c.in[0]),
                           over->axes, over->keepdims));
}

MaybeOperand sumOfSquares(NodeContext &c, const ReducedAxes &over) {
  Formula f(c.e);
  return f.reduce(Reduction::Sum, f.apply(Binary::Mul, c.in[0], c.in[0]),
                  over.axes, over.keepdims);
}

LogicalResult sumSquare(NodeContext &c) {
  auto over = axesOf(c);
  return failed(over) ? failure() : c.result(sumOfSquares(c, *over));
}

/// The root never sees 0, where its slope is infinite.
LogicalResult norm2(NodeContext &c) {
  auto over = axesOf(c);
  if (failed(over))
    return failure();
  Formula f(c.e);
  MaybeOperand sum = sumOfSquares(c, *over);
  MaybeOperand isZero = f.apply(Binary::Equal, sum, 0);
  MaybeOperand root = f.apply(Unary::Sqrt, f.where(isZero, 1.0, sum));
  return c.result(f.where(isZero, 0.0, root));
}

LogicalResult logSum(NodeContext &c) {
  auto over = axesOf(c);
  if (failed(over))
    return failure();
  Formula f(c.e);
  return c.result(f.apply(Unary::Log, f.reduce(Reduction::Sum, c.in[0],
                                               over->axes, over->keepdims)));
}

/// log(sum(e^(x - m))) + m; m is the maximum, 0 where that is infinite.
LogicalResult logSumExp(NodeContext &c) {
  auto over = axesOf(c);
  if (failed(over))
    return failure();
  Formula f(c.e);
  const Operand &x = c.in[0];
  MaybeOperand most = f.reduce(Reduction::Max, x, over->axes, true);
  most = f.where(f.apply(Unary::IsInf, most), 0.0, most);
  MaybeOperand sum = f.reduce(
      Reduction::Sum, f.apply(Unary::Exp, f.apply(Binary::Sub, x, most)),
      over->axes, true);
  MaybeOperand y = f.apply(Binary::Add, f.apply(Unary::Log, sum), most);
  return c.result(
      f.reshape(y, keptShape(x.shape(), over->axes, over->keepdims)));
}

/// Rows of a power of two elements, the rest ones, multiplied in halves: every
/// gradient is a product of the others, without a quotient. Half precision is
/// multiplied in f32.
LogicalResult product(NodeContext &c) {
  auto over = axesOf(c);
  if (failed(over))
    return failure();
  Operand x = c.in[0];
  if (x.constant)
    return c.result(c.e.reduce(Reduction::Prod, x, over->axes, over->keepdims));
  SmallVector<int64_t> perm, shape(x.shape());
  for (int64_t i = 0; i < x.rank(); ++i)
    if (!llvm::is_contained(over->axes, i))
      perm.push_back(i);
  llvm::append_range(perm, over->axes);
  int64_t width = 1;
  for (int64_t axis : over->axes)
    width *= shape[axis];
  if (width == 0)
    return c.e.error() << c.node.opType << " over no element of " << x.type();
  int64_t rows = x.type().getNumElements() / width;
  int64_t padded = llvm::PowerOf2Ceil(width);
  Formula f(c.e);
  MaybeOperand y = c.e.transpose(x, perm);
  y = f.cast(f.reshape(y, {rows, width}), statisticsType(x.elementType()));
  if (padded != width && succeeded(y))
    y = c.e.pad(*y, {0, 0}, {rows, padded}, 1);
  for (int64_t half = padded / 2; half && succeeded(y); half /= 2) {
    auto parts = c.e.split(*y, 1, {half, half});
    if (failed(parts))
      return failure();
    y = f.apply(Binary::Mul, (*parts)[0], (*parts)[1]);
  }
  return c.result(f.reshape(f.cast(y, x.elementType()),
                            keptShape(shape, over->axes, over->keepdims)));
}

/// 1 at the first maximum along the axis (before opset 13 along all from the
/// axis on), else 0.
LogicalResult hardmax(NodeContext &c) {
  bool old = c.node.version < 13;
  Operand x = c.in[0];
  auto axis = c.axis(c.integer("axis", old ? 1 : -1), x.rank());
  if (failed(axis))
    return failure();
  SmallVector<int64_t> shape(x.shape()), flat = {1, 1};
  for (auto [i, extent] : llvm::enumerate(shape))
    flat[int64_t(i) >= *axis] *= extent;
  Formula f(c.e);
  MaybeOperand rows = old ? f.reshape(x, flat) : MaybeOperand(x);
  if (failed(rows))
    return failure();
  MaybeOperand mask = firstMost(f, *rows, Reduction::Max, old ? 1 : *axis);
  return c.result(f.reshape(f.cast(mask, x.elementType()), shape));
}
} // namespace

void fsdp::onnx::addReductionHandlers(HandlerTable &table) {
  table["ReduceSum"] = plain<Reduction::Sum>;
  table["ReduceMean"] = plain<Reduction::Mean>;
  table["ReduceMax"] = plain<Reduction::Max>;
  table["ReduceMin"] = plain<Reduction::Min>;
  table["ReduceL1"] = norm1;
  table["ReduceL2"] = norm2;
  table["ReduceSumSquare"] = sumSquare;
  table["ReduceLogSum"] = logSum;
  table["ReduceLogSumExp"] = logSumExp;
  table["ReduceProd"] = product;
  table["Hardmax"] = hardmax;
}
