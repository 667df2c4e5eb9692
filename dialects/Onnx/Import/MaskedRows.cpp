//===- MaskedRows.cpp - Attention over no key at all ----------------------===//
#include "dialects/Onnx/Import/MaskedRows.h"
#include "dialects/Onnx/Import/Records.h"

#include <cmath>

using namespace mlir;
using namespace fsdp::onnx;

bool fsdp::onnx::isFromSdpa(const Node &node) {
  return parseCall(node.fxNode).target == "scaled_dot_product_attention";
}

/// For each row of `mask`, with a last extent of 1: whether it hides every key.
static MaybeOperand hiddenRows(Emitter &e, const Operand &mask, double lowest) {
  MaybeOperand most = e.reduce(Reduction::Max, mask, {mask.rank() - 1}, true);
  return failed(most)
             ? most
             : e.binary(Binary::LessOrEqual, *most, e.scalarLike(mask, lowest));
}

MaybeOperand fsdp::onnx::maskedSoftmax(Emitter &e, const Operand &scores,
                                       const Operand &mask, double lowest) {
  MaybeOperand hidden = hiddenRows(e, mask, lowest);
  if (failed(hidden))
    return failure();
  Operand zero = e.scalarLike(mask, 0), one = e.scalarLike(mask, 1);
  // A hidden row is shown to the softmax, which then is finite.
  MaybeOperand shown = e.where(*hidden, zero, mask),
               live = e.where(*hidden, zero, one);
  if (failed(shown) || failed(live))
    return failure();
  MaybeOperand y = e.binary(Binary::Add, scores, *shown);
  if (succeeded(y))
    y = e.softmax(*y);
  return failed(y) ? y : e.binary(Binary::Mul, *y, *live);
}

/// Whether `where` chooses the number `lowest` somewhere.
static bool chooses(WhereOp where, double lowest) {
  return llvm::any_of(where->getOperands().drop_front(), [&](Value operand) {
    auto constant = operand.getDefiningOp<ConstantOp>();
    auto dense =
        constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
    return dense && dense.isSplat() && toTensor(dense)->asFloat(0) == lowest;
  });
}

/// `value`, where it is a mask whose rows may be hidden whole.
static std::optional<Operand> maskOf(Emitter &e, Value value, double lowest) {
  if (cast<RankedTensorType>(value.getType()).getRank() == 0)
    return std::nullopt;
  if (auto where = value.getDefiningOp<WhereOp>())
    return chooses(where, lowest) ? std::optional<Operand>(value)
                                  : std::nullopt;
  auto constant = value.getDefiningOp<ConstantOp>();
  auto dense =
      constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : nullptr;
  if (!dense || !e.cache.masksARow(dense, lowest))
    return std::nullopt;
  return Operand(*toTensor(dense));
}

FailureOr<std::optional<Operand>>
fsdp::onnx::softmaxOfMasked(Emitter &e, Value x, bool finite) {
  auto add = x ? x.getDefiningOp<AddOp>() : nullptr;
  if (!add)
    return std::optional<Operand>();
  auto element =
      cast<FloatType>(cast<RankedTensorType>(x.getType()).getElementType());
  double lowest = finite
                      ? APFloat::getLargest(element.getFloatSemantics(), true)
                            .convertToDouble()
                      : -INFINITY;
  for (auto [value, other] : {std::pair(add.getLhs(), add.getRhs()),
                              std::pair(add.getRhs(), add.getLhs())}) {
    std::optional<Operand> mask = maskOf(e, value, lowest);
    if (!mask)
      continue;
    MaybeOperand y = maskedSoftmax(e, Operand(Value(other)), *mask, lowest);
    if (failed(y))
      return failure();
    return std::optional<Operand>(*y);
  }
  return std::optional<Operand>();
}
