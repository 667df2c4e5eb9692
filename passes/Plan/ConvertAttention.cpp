//===- ConvertAttention.cpp - Attention by the library's products ---------===//
//
// For each block of rows, q's [B, H, R, D] against k's first C rows:
//   scores = q k^T                       fsdprt.gemm, f32
//   p, max, sum = attention_rows scores  fsdprt.launch
//   y = p v                              fsdprt.gemm
// where in half precision p and y's rows are divided by their sums at the end,
//   y = attention_divide y, sum          fsdprt.launch
// and in the gradient, from the last block, which sees all columns, to the
// first:
//   scores = q k^T, dp = dy v^T
//   p, ds = attention_rows_grad scores, max, sum, dp
//   dv (+)= p^T dy, dk (+)= ds^T q       one a head of those that share a k
//   dq = ds k
// dv and dk are summed in f32 and rounded once.
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/ConvertAttention.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;

//===----------------------------------------------------------------------===//
// Blocks and matrices
//===----------------------------------------------------------------------===//

AttentionConverter::AttentionConverter(PhaseConverter &converter,
                                       train::KernelOp kernel)
    : converter(converter), kernel(kernel), op(opOf(kernel)),
      unit(converter.program.unitOfScope(onnx::getScope(kernel))),
      scope(onnx::getScope(kernel)), causal(op->hasAttr("causal")) {
  ArrayRef<int64_t> q = typeOfInput(0).getShape(),
                    k = typeOfInput(1).getShape();
  B = q[0], H = q[1], S = q[2];
  Hk = k[1], T = k[2];
  stored = typeOfInput(0).getElementType();
  wide = onnx::statisticsType(stored);
}

SmallVector<AttentionConverter::Rows> AttentionConverter::blocks() const {
  // Whole tiles, or at least whole accesses to the statistics of a block.
  constexpr int64_t kRows = 256, kBlocks = 16, kTile = 32, kAccess = 4;
  int64_t bytes = B * H * T * wide.getIntOrFloatBitWidth() / 8;
  int64_t most = std::max(kRows, int64_t(llvm::divideCeil(S, kBlocks)));
  int64_t rows = converter.program.target.getAttentionBytes() / bytes;
  rows = std::clamp<int64_t>(rows, std::min(kAccess, S), std::min(most, S));
  if (rows < S)
    rows -= rows % (rows > kTile ? kTile : kAccess);
  SmallVector<Rows> all;
  for (int64_t first = 0; first < S; first += rows) {
    int64_t count = std::min(rows, S - first);
    all.push_back({first, count, causal ? first + count + T - S : T});
  }
  return all;
}

RankedTensorType AttentionConverter::typeOfInput(unsigned number) const {
  return cast<RankedTensorType>(op->getOperand(number).getType());
}

RankedTensorType AttentionConverter::scoresType(Type element,
                                                const Rows &at) const {
  return RankedTensorType::get({B, H, at.rows, at.columns}, element);
}

AttentionConverter::Matrix AttentionConverter::Matrix::t() const {
  Matrix other = *this;
  std::swap(other.strides[3], other.strides[4]);
  return other;
}

AttentionConverter::Matrix
AttentionConverter::Matrix::head(int64_t number) const {
  Matrix other = *this;
  other.offset += number * strides[2];
  return other;
}

/// Strides of [B, Hk, G] matrices of `height` rows of `width`.
static SmallVector<int64_t> denseStrides(int64_t Hk, int64_t G, int64_t height,
                                         int64_t width) {
  int64_t matrix = height * width;
  return {Hk * G * matrix, G * matrix, matrix, width, 1};
}

/// The block's rows of a tensor of q's heads, wide as `input` is.
AttentionConverter::Matrix AttentionConverter::queries(Slice slice,
                                                       unsigned input,
                                                       Type element,
                                                       const Rows &at) const {
  int64_t width = typeOfInput(input).getShape().back();
  return {slice, element, at.first * width, denseStrides(Hk, H / Hk, S, width)};
}

/// A tensor of the shape of `input`, of k's heads.
AttentionConverter::Matrix AttentionConverter::keys(Slice slice, unsigned input,
                                                    Type element) const {
  SmallVector<int64_t> strides =
      denseStrides(Hk, 1, T, typeOfInput(input).getShape().back());
  strides[2] = 0;
  return {slice, element, 0, strides};
}

AttentionConverter::Matrix AttentionConverter::scores(Slice slice, Type element,
                                                      const Rows &at) const {
  return {slice, element, 0, denseStrides(Hk, H / Hk, at.rows, at.columns)};
}

/// As much of a buffer as `type` takes.
static Slice first(Slice slice, Type type) {
  return {slice.buffer, slice.begin, byteSize(type)};
}

/// The block's part of the maxima or sums.
Slice AttentionConverter::statistics(Slice slice, const Rows &at) const {
  int64_t element = wide.getIntOrFloatBitWidth() / 8;
  return {slice.buffer, slice.begin + B * H * at.first * element,
          B * H * at.rows * element};
}

//===----------------------------------------------------------------------===//
// Buffers and dispatches
//===----------------------------------------------------------------------===//

Slice AttentionConverter::input(unsigned number) const {
  return converter.sliceOf(inputOf(kernel, op->getOperand(number)));
}

/// Result `number` of the op, of `bytes`. It takes over no operand's buffer:
/// later blocks read all of them.
Slice AttentionConverter::result(unsigned number, int64_t bytes) {
  Value output = outputOf(kernel, op->getResult(number));
  if (!output)
    return create("unused", bytes);
  Slice slice = converter.resultSlice(output, kernel.getName(), unit);
  converter.assign(output, slice);
  return slice;
}

Slice AttentionConverter::create(StringRef name, int64_t bytes) {
  return converter.createWork((kernel.getName() + " " + name).str(),
                              rt::BufferKind::Scratch, bytes, unit);
}

/// Room for any block's scores.
Slice AttentionConverter::createScores(StringRef name, Type element) {
  int64_t most = 0;
  for (const Rows &at : blocks())
    most = std::max(most, byteSize(scoresType(element, at)));
  return create(name, most);
}

/// c = a b, for all of B and Hk, and the first `heads` of those that share one.
LogicalResult AttentionConverter::multiply(StringRef name,
                                           const Extents &extents,
                                           const Matrix &a, const Matrix &b,
                                           const Matrix &c, bool accumulates,
                                           bool isAgain) {
  auto arg = [&](rt::Access access, const Matrix &matrix, int64_t rows,
                 int64_t columns) {
    int64_t counts[] = {B, Hk, extents.heads, rows, columns};
    int64_t elements = 1, bytes = matrix.element.getIntOrFloatBitWidth() / 8;
    for (auto [count, stride] : llvm::zip_equal(counts, matrix.strides))
      elements += (count - 1) * stride;
    return converter.phase.arg(
        access, {matrix.slice.buffer,
                 matrix.slice.begin + matrix.offset * bytes, elements * bytes});
  };
  SmallVector<Attribute> args = {
      arg(rt::Access::Read, a, extents.m, extents.k),
      arg(rt::Access::Read, b, extents.k, extents.n),
      arg(accumulates ? rt::Access::ReadWrite : rt::Access::Write, c, extents.m,
          extents.n)};
  GemmShape gemm{extents.m, extents.n, extents.k, {B, Hk, extents.heads},
                 a.strides, b.strides, c.strides};
  simplify(gemm);
  std::string full = (kernel.getName() + "_" + name).str();
  if (isAgain) // as all that backward computes again is named
    full = "recompute_" + full;
  LibraryProduct product{gemm, stored, c.element, full, unit, scope};
  product.accumulates = accumulates;
  const Target &target = converter.program.target;
  std::optional<int64_t> scratch =
      target.getProductScratchBytes(gemm, stored, c.element, product.adds);
  if (!scratch)
    return op->emitOpError("is of products in ")
           << stored << " to " << c.element << " "
           << target.explainMissingProduct();
  converter.multiply(product, *scratch, args);
  return success();
}

/// `RowsOp` on `body`'s arguments, with the attributes of `whole`, at `place`:
/// first row, height and width.
template <typename RowsOp, typename Whole>
static ValueRange buildRows(OpBuilder &b, Block *body, Whole whole,
                            TypeRange results, ArrayRef<int64_t> place,
                            StringRef scope) {
  SmallVector<NamedAttribute> attrs;
  StringRef names[] = {"first", "height", "width"};
  for (auto [name, value] : llvm::zip_equal(names, place))
    attrs.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  attrs.push_back(b.getNamedAttr("scale", whole.getScaleAttr()));
  attrs.push_back(b.getNamedAttr("scope", b.getStringAttr(scope)));
  if (whole.getCausal())
    attrs.push_back(b.getNamedAttr("causal", b.getUnitAttr()));
  return b
      .create<RowsOp>(whole.getLoc(), results, ValueRange(body->getArguments()),
                      attrs)
      ->getResults();
}

//===----------------------------------------------------------------------===//
// Forward and backward
//===----------------------------------------------------------------------===//

LogicalResult AttentionConverter::run() {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](onnx::AttentionOp typed) { return forward(typed); })
      .Case([&](train::AttentionGradOp typed) { return backward(typed); });
}

/// Launches the rows' kernel on `ins` and the op's mask, if there is one.
LogicalResult AttentionConverter::launch(const Rows &at, SmallVector<Type> ins,
                                         SmallVector<Slice> inSlices,
                                         Value mask, TypeRange results,
                                         ArrayRef<Slice> outs) {
  if (mask) {
    ins.push_back(mask.getType());
    inSlices.push_back(converter.sliceOf(inputOf(kernel, mask)));
  }
  int64_t place[] = {at.first, S, T};
  auto build = [&](OpBuilder &b, Block *body) -> ValueRange {
    if (auto whole = dyn_cast<onnx::AttentionOp>(op))
      return buildRows<train::AttentionRowsOp>(b, body, whole, results, place,
                                               scope);
    return buildRows<train::AttentionRowsGradOp>(
        b, body, cast<train::AttentionGradOp>(op), results, place, scope);
  };
  std::string name = (kernel.getName() + "_rows").str();
  return converter.launchBuilt(kernel, name, unit, scope, ins, build, inSlices,
                               outs);
}

LogicalResult AttentionConverter::forward(onnx::AttentionOp attention) {
  Slice q = input(0), k = input(1), v = input(2);
  int64_t width = typeOfInput(0).getShape().back();
  int64_t valueWidth = typeOfInput(2).getShape().back();
  Slice s = createScores("scores", wide);
  Slice p = wide == stored ? s : createScores("probabilities", stored);
  auto type = cast<RankedTensorType>(attention.getY().getType());
  Slice y = result(0, byteSize(type));
  auto wideType = RankedTensorType::get(type.getShape(), wide);
  Slice values = wide == stored ? y : create("values", byteSize(wideType));
  Slice most = result(1, byteSize(attention.getMax().getType()));
  Slice sums = result(2, byteSize(attention.getSum().getType()));
  int64_t heads = H / Hk;
  for (const Rows &at : blocks()) {
    Type scoreType = scoresType(wide, at), pType = scoresType(stored, at);
    Type rowType = RankedTensorType::get({B, H, at.rows}, wide);
    if (failed(multiply("scores", {at.rows, at.columns, width, heads},
                        queries(q, 0, stored, at), keys(k, 1, stored).t(),
                        scores(s, wide, at))) ||
        failed(launch(
            at, {scoreType}, {first(s, scoreType)}, attention.getMask(),
            {pType, rowType, rowType},
            {first(p, pType), statistics(most, at), statistics(sums, at)})) ||
        failed(multiply("values", {at.rows, valueWidth, at.columns, heads},
                        scores(p, stored, at), keys(v, 2, stored),
                        queries(values, 2, wide, at))))
      return failure();
  }
  return wide == stored ? success() : divide(values, sums, y, wideType, type);
}

/// y = values / sums, rounded once.
LogicalResult AttentionConverter::divide(Slice values, Slice sums, Slice y,
                                         RankedTensorType from,
                                         RankedTensorType to) {
  Type rows = RankedTensorType::get(from.getShape().drop_back(), wide);
  int64_t height = blocks().front().rows;
  auto build = [&](OpBuilder &b, Block *body) -> ValueRange {
    auto divided = b.create<train::AttentionDivideOp>(
        op->getLoc(), to, body->getArgument(0), body->getArgument(1), height);
    divided->setAttr("scope", b.getStringAttr(scope));
    return divided->getResults();
  };
  std::string name = (kernel.getName() + "_divide").str();
  return converter.launchBuilt(kernel, name, unit, scope, {from, rows}, build,
                               {values, sums}, {y});
}

/// sum (+)= factor^T rows, over the block's rows and the heads of q that share
/// one of k.
LogicalResult AttentionConverter::sumOverRows(StringRef name, const Rows &at,
                                              const Matrix &factor,
                                              const Matrix &rows,
                                              const Matrix &sum) {
  for (int64_t i = 0; i < H / Hk; ++i) {
    bool isFirst = at.first + at.rows == S && i == 0;
    if (failed(multiply(name, {at.columns, sum.strides[3], at.rows, 1},
                        factor.head(i).t(), rows.head(i), sum, !isFirst)))
      return failure();
  }
  return success();
}

/// Rounds a sum to the result that it is, of the type of operand `number`.
LogicalResult AttentionConverter::round(Slice sum, Slice rounded,
                                        unsigned number) {
  if (sum.buffer == rounded.buffer)
    return success();
  RankedTensorType type = typeOfInput(number);
  Type from = RankedTensorType::get(type.getShape(), wide);
  auto build = [&](OpBuilder &b, Block *body) -> ValueRange {
    return b
        .create<onnx::CastOp>(op->getLoc(), type, body->getArgument(0), scope)
        ->getResults();
  };
  std::string name = (kernel.getName() + "_round").str();
  return converter.launchBuilt(kernel, name, unit, scope, from, build, {sum},
                               {rounded});
}

LogicalResult AttentionConverter::backward(train::AttentionGradOp grad) {
  Slice q = input(0), k = input(1), v = input(2), dy = input(5);
  int64_t width = typeOfInput(0).getShape().back();
  int64_t valueWidth = typeOfInput(2).getShape().back();
  bool isRounded = wide != stored;
  Slice s = createScores("scores", wide);
  Slice dp = createScores("probabilities' gradients", wide);
  Slice p = isRounded ? createScores("probabilities", stored) : s;
  Slice ds = isRounded ? createScores("scores' gradients", stored) : dp;
  Slice results[3], sums[3];
  for (unsigned i = 0; i < 3; ++i) {
    RankedTensorType type = typeOfInput(i);
    results[i] = result(i, byteSize(type));
    sums[i] = i && isRounded ? create("sums", byteSize(RankedTensorType::get(
                                                  type.getShape(), wide)))
                             : results[i];
  }
  int64_t heads = H / Hk;
  Matrix dk = keys(sums[1], 1, wide), dv = keys(sums[2], 2, wide);
  SmallVector<Rows> all = blocks();
  for (const Rows &at : llvm::reverse(all)) {
    Type wideType = scoresType(wide, at), type = scoresType(stored, at);
    Type rowType = RankedTensorType::get({B, H, at.rows}, wide);
    Matrix rowsOfQ = queries(q, 0, stored, at),
           rowsOfDy = queries(dy, 2, stored, at);
    if (failed(multiply("scores", {at.rows, at.columns, width, heads}, rowsOfQ,
                        keys(k, 1, stored).t(), scores(s, wide, at),
                        /*accumulates=*/false, /*isAgain=*/true)) ||
        failed(multiply("probabilities",
                        {at.rows, at.columns, valueWidth, heads}, rowsOfDy,
                        keys(v, 2, stored).t(), scores(dp, wide, at))) ||
        failed(launch(at, {wideType, rowType, rowType, wideType},
                      {first(s, wideType), statistics(input(3), at),
                       statistics(input(4), at), first(dp, wideType)},
                      grad.getMask(), {type, type},
                      {first(p, type), first(ds, type)})) ||
        failed(
            sumOverRows("values", at, scores(p, stored, at), rowsOfDy, dv)) ||
        failed(sumOverRows("keys", at, scores(ds, stored, at), rowsOfQ, dk)) ||
        failed(multiply("queries", {at.rows, width, at.columns, heads},
                        scores(ds, stored, at), keys(k, 1, stored),
                        queries(results[0], 0, stored, at))))
      return failure();
  }
  return success(succeeded(round(sums[1], results[1], 1)) &&
                 succeeded(round(sums[2], results[2], 2)));
}
