//===- ConvertFactors.cpp - Updates by factored moments -------------------===//
//
//   fsdp.update "h.0" line 0 (%grads) lr %lr step %step clip %clip
// becomes, where the rules of the line keep factored moments, launches of
//   %s = train.factor_sums, then a sum over the ranks
//   train.factor_states, which all ranks compute alike
//   %q = train.factor_squares, then a sum over the ranks
//   train.factor_update
//
//===----------------------------------------------------------------------===//
#include "passes/Plan/PhaseConverter.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

namespace {
ArrayAttr piecesAttrOf(LineAttr line) {
  SmallVector<train::PieceAttr> pieces = piecesOf(line);
  return ArrayAttr::get(line.getContext(),
                        SmallVector<Attribute>(pieces.begin(), pieces.end()));
}

/// Operands of a kernel, slices and types; the last are `clip`, if the update
/// has it, and `rank`.
struct Operands {
  SmallVector<Slice> slices;
  SmallVector<Type> types;

  void add(Slice slice, Type type) {
    slices.push_back(slice);
    types.push_back(type);
  }
  Value clipOf(UpdateOp op, Block *body) const {
    return op.getClip() ? body->getArgument(types.size() - 2) : Value();
  }
};

RankedTensorType sumsType(LineAttr line, int64_t others) {
  int64_t blocks = llvm::divideCeil(line.getLayout().getShardElements(),
                                    train::kFactorBlock);
  int64_t sums = blocks * int64_t(line.getParameters().size()) + others;
  return RankedTensorType::get({sums}, Float64Type::get(line.getContext()));
}

RankedTensorType gradientType(LineAttr line) {
  return LineBuffers::shardTypeOf(line.getReduceLayout());
}
} // namespace

/// All ranks' sums of squares of gradients and parameters.
FailureOr<Slice> PhaseConverter::sumFactors(UpdateOp op,
                                            const LineBuffers &line) {
  LineAttr attr = line.line.get();
  RankedTensorType type = sumsType(attr, factorsType(attr).getNumElements());
  Slice sums = createWork("factor_sums", rt::BufferKind::Activation,
                          byteSize(type), op.getUnit());
  Operands in;
  in.add(line.shard, line.shardType());
  in.add(sliceOf(op.getGrads().front()), gradientType(attr));
  addClipAndRank(op, in.slices, in.types);
  auto build = [&](OpBuilder &b, Block *body) -> ValueRange {
    return b
        .create<train::FactorSumsOp>(op.getLoc(), type, body->getArgument(0),
                                     body->getArgument(1), in.clipOf(op, body),
                                     body->getArguments().back(),
                                     piecesAttrOf(attr), "optimizer")
        ->getResults();
  };
  if (failed(launchFlat(op, "factor_sums", op.getUnit(), in.types, build,
                        in.slices, {sums})))
    return failure();
  sumOverRanks(sums, type, attr.getLayout().getAxes());
  return sums;
}

/// Moves the moments, and returns all ranks' sums of the squares of what they
/// make of the gradients.
FailureOr<Slice>
PhaseConverter::moveFactors(UpdateOp op, const LineBuffers &line, Slice sums) {
  LineAttr attr = line.line.get();
  RankedTensorType factors = factorsType(attr);
  auto move = [&](OpBuilder &b, Block *body) -> ValueRange {
    return b
        .create<train::FactorStatesOp>(
            op.getLoc(), factors, body->getArgument(0), body->getArgument(1),
            body->getArgument(2), piecesAttrOf(attr), "optimizer")
        ->getResults();
  };
  if (failed(launchFlat(op, "factor_states", op.getUnit(),
                        {factors, sumsType(attr, factors.getNumElements()),
                         op.getStep().getType()},
                        move, {line.factors, sums, sliceOf(op.getStep())},
                        {line.factors})))
    return failure();
  RankedTensorType type = sumsType(attr, 0);
  Slice squares = createWork("factor_squares", rt::BufferKind::Activation,
                             byteSize(type), op.getUnit());
  Operands in;
  in.add(sliceOf(op.getGrads().front()), gradientType(attr));
  in.add(line.factors, factors);
  addClipAndRank(op, in.slices, in.types);
  auto build = [&](OpBuilder &b, Block *body) -> ValueRange {
    return b
        .create<train::FactorSquaresOp>(
            op.getLoc(), type, body->getArgument(0), body->getArgument(1),
            in.clipOf(op, body), body->getArguments().back(),
            piecesAttrOf(attr), "optimizer")
        ->getResults();
  };
  if (failed(launchFlat(op, "factor_squares", op.getUnit(), in.types, build,
                        in.slices, {squares})))
    return failure();
  sumOverRanks(squares, type, attr.getLayout().getAxes());
  return squares;
}

LogicalResult PhaseConverter::updateFactored(UpdateOp op,
                                             const LineBuffers &line) {
  LineAttr attr = line.line.get();
  RankedTensorType factors = factorsType(attr);
  if (factors.getNumElements() == 0) // all parameters are empty
    return success();
  FailureOr<Slice> sums = sumFactors(op, line);
  FailureOr<Slice> squares =
      failed(sums) ? FailureOr<Slice>() : moveFactors(op, line, *sums);
  if (failed(squares))
    return failure();
  Operands in;
  in.add(line.shard, line.shardType());
  in.add(sliceOf(op.getGrads().front()), gradientType(attr));
  for (Slice state : line.states)
    in.add(state, line.shardType());
  in.add(line.factors, factors);
  in.add(*sums, sumsType(attr, factors.getNumElements()));
  in.add(*squares, sumsType(attr, 0));
  in.add(sliceOf(op.getLr()), op.getLr().getType());
  in.add(sliceOf(op.getStep()), op.getStep().getType());
  addClipAndRank(op, in.slices, in.types);
  auto [outs, results] = updatedOf(line);
  auto build = [&, &results = results](OpBuilder &b,
                                       Block *body) -> ValueRange {
    ArrayRef<BlockArgument> args = body->getArguments();
    size_t states = line.states.size();
    SmallVector<Value> kept(args.begin() + 2, args.begin() + 2 + states);
    args = args.drop_front(2 + states);
    return b
        .create<train::FactorUpdateOp>(
            op.getLoc(), results, body->getArgument(0), body->getArgument(1),
            kept, args[0], args[1], args[2], args[3], args[4],
            in.clipOf(op, body), args.back(), piecesAttrOf(attr), "optimizer")
        ->getResults();
  };
  StringRef name = attr.getRanges().front().getRule().getKind().name;
  return launchFlat(op, name, op.getUnit(), in.types, build, in.slices, outs);
}
