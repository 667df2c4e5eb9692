//===- OnnxVerifiers.cpp - Rules that types alone do not say --------------===//
#include "dialects/Onnx/Onnx.h"

using namespace mlir;
using namespace fsdp::onnx;

LogicalResult ParameterOp::verify() {
  int sources =
      (getSource() ? 1 : 0) + (getInit() ? 1 : 0) + (getData() ? 1 : 0);
  if (sources > 1)
    return emitOpError("has ") << sources
                               << " of source, init and data, expected at "
                                  "most one (parameter_c1)";
  if (isTrainable() && !isa<FloatType>(getTensorType().getElementType()))
    return emitOpError("is trainable with element type ")
           << getTensorType().getElementType()
           << ", expected a floating type (parameter_c2)";
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto parameter =
      symbols.lookupNearestSymbolFrom<ParameterOp>(*this, getParameterAttr());
  if (!parameter)
    return emitOpError("reads '")
           << getParameter() << "', which no onnx.parameter declares";
  if (parameter.getTensorType() != getResult().getType())
    return emitOpError("result type ")
           << getResult().getType() << " does not match the parameter's "
           << parameter.getTensorType();
  return success();
}

LogicalResult ConstantOp::verify() {
  if (getValue().getShapedType() != getResult().getType())
    return emitOpError("value of type ")
           << getValue().getShapedType() << " does not match the result";
  return success();
}

static RankedTensorType typeOf(Value v) {
  return cast<RankedTensorType>(v.getType());
}

LogicalResult CastOp::verify() {
  if (typeOf(getX()).getShape() != typeOf(getY()).getShape())
    return emitOpError("changes the shape, expected only the element type to "
                       "change");
  return success();
}

LogicalResult ReshapeOp::verify() {
  if (typeOf(getX()).getNumElements() != typeOf(getY()).getNumElements() ||
      typeOf(getX()).getElementType() != typeOf(getY()).getElementType())
    return emitOpError("from ")
           << getX().getType() << " to " << getY().getType()
           << " changes the number or the type of the elements";
  return success();
}

LogicalResult ExpandOp::verify() {
  auto shape =
      broadcastShapes(typeOf(getX()).getShape(), typeOf(getY()).getShape());
  if (failed(shape) || ArrayRef<int64_t>(*shape) != typeOf(getY()).getShape() ||
      typeOf(getX()).getElementType() != typeOf(getY()).getElementType())
    return emitOpError("cannot broadcast ")
           << getX().getType() << " to " << getY().getType();
  return success();
}

LogicalResult SliceOp::verify() {
  RankedTensorType x = typeOf(getX()), y = typeOf(getY());
  int64_t rank = x.getRank();
  if (y.getRank() != rank || int64_t(getStarts().size()) != rank ||
      int64_t(getSteps().size()) != rank)
    return emitOpError("needs a start, a step and a result extent for each of "
                       "the ")
           << rank << " dimensions";
  for (int64_t i = 0; i < rank; ++i) {
    int64_t first = getStarts()[i];
    int64_t last = first + (y.getDimSize(i) - 1) * getSteps()[i];
    if (y.getDimSize(i) > 0 && (first < 0 || first >= x.getDimSize(i) ||
                                last < 0 || last >= x.getDimSize(i)))
      return emitOpError("dimension ")
             << i << " reads elements " << first << " to " << last << " of "
             << x.getDimSize(i);
  }
  return success();
}

LogicalResult PadOp::verify() {
  int64_t rank = typeOf(getX()).getRank();
  if (typeOf(getY()).getRank() != rank || int64_t(getLow().size()) != rank ||
      int64_t(getSteps().size()) != rank)
    return emitOpError("needs a low end, a step and a result extent for each "
                       "of the ")
           << rank << " dimensions";
  for (int64_t step : getSteps())
    if (step == 0)
      return emitOpError("has a step of 0");
  return success();
}

LogicalResult SplitOp::verify() {
  RankedTensorType x = typeOf(getX());
  int64_t axis = getAxis(), total = 0;
  if (axis < 0 || axis >= x.getRank())
    return emitOpError("axis ")
           << axis << " is not in [0, " << x.getRank() << ")";
  for (Value y : getYs()) {
    SmallVector<int64_t> shape(x.getShape());
    int64_t extent =
        typeOf(y).getRank() == x.getRank() ? typeOf(y).getDimSize(axis) : 0;
    shape[axis] = extent;
    if (RankedTensorType::get(shape, x.getElementType()) != y.getType())
      return emitOpError("result type ")
             << y.getType() << " is not a part of " << x;
    total += extent;
  }
  if (total != x.getDimSize(axis))
    return emitOpError("results hold ")
           << total << " of " << x.getDimSize(axis) << " along axis " << axis;
  return success();
}
