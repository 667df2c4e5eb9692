//===- PlaceGradients.cpp - Gradients where the reduce-scatter reads ------===//
//
// A gradient is computed in its parameter's range of the line's buffer, unless
// it is an argument or wanted in two places. The gradient of a tied parameter
// is a sum; one of its operands is computed in that range too, and the sum in
// place of it.
//
//===----------------------------------------------------------------------===//
#include "passes/Kernel/InPlace.h"
#include "passes/Plan/PhaseConverter.h"

using namespace mlir;
using namespace fsdp;
using namespace fsdp::sharding;

static bool isDispatched(Value value) {
  return isa_and_nonnull<train::KernelOp, onnx::MatMulOp, train::LinearOp>(
      value.getDefiningOp());
}

/// Whether `op`, through one operand, is all that uses `value` and its views.
static bool isReadOnceBy(Value value, Operation *op) {
  return llvm::count_if(op->getOperands(),
                        [&](Value v) { return viewSource(v) == value; }) == 1 &&
         llvm::all_of(value.getUsers(), [&](Operation *user) {
           auto view = dyn_cast<onnx::ReshapeOp>(user);
           return user == op ||
                  (view && view->hasOneUse() && *view->user_begin() == op);
         });
}

void PhaseConverter::placeGradients() {
  for (const GradientLineRef &taker : getGradientLines(block)) {
    const LineBuffers &line = program.getLine(taker.unit, taker.line);
    LayoutAttr layout = line.line.get().getReduceLayout();
    Slice buffer =
        createWork((taker.unit + " gradients").str(), rt::BufferKind::Gradient,
                   lineBytes(layout), taker.unit);
    gradientLines[taker.op] = buffer;
    int64_t begin = placeOf[taker.op];
    SmallVector<Value> sources;
    for (auto [i, grad] : llvm::enumerate(taker.grads)) {
      Value source = viewSource(grad);
      if (!isDispatched(source) ||
          !placed.try_emplace(source, parameterSlice(layout, i, buffer)).second)
        continue;
      sources.push_back(source);
      begin = std::min(begin, placeOf[source.getDefiningOp()]);
    }
    for (Value source : sources)
      placeOperandOfSum(source, buffer.bytes, begin);
  }
}

/// Places the first operand that `sum`, a placed gradient, may be computed in
/// place of. The line's buffer, of `lineBytes`, is alive from `begin` on: it
/// may not cost more, in bytes times dispatches, than the operand's own would.
void PhaseConverter::placeOperandOfSum(Value sum, int64_t lineBytes,
                                       int64_t &begin) {
  auto kernel = sum.getDefiningOp<train::KernelOp>();
  if (!kernel)
    return;
  Slice slice = placed.lookup(sum);
  Value first;
  SmallVector<SmallVector<unsigned>> inPlace = inPlaceOperands(kernel);
  for (unsigned operand : inPlace[cast<OpResult>(sum).getResultNumber()]) {
    Value source = viewSource(kernel.getInputs()[operand]);
    if (isDispatched(source) && !placed.contains(source) &&
        byteSize(source.getType()) == slice.bytes &&
        isReadOnceBy(source, kernel) &&
        (!first ||
         source.getDefiningOp()->isBeforeInBlock(first.getDefiningOp())))
      first = source;
  }
  if (!first)
    return;
  int64_t place = placeOf[first.getDefiningOp()];
  int64_t earlier = std::max<int64_t>(begin - place, 0);
  if (lineBytes * earlier > slice.bytes * (placeOf[kernel] - place))
    return;
  begin = std::min(begin, place);
  placed[first] = slice;
  placeOperandOfSum(first, lineBytes, begin);
}
