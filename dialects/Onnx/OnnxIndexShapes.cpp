//===- OnnxIndexShapes.cpp - Result types of ops that take places ---------===//
#include "dialects/Onnx/OnnxInfer.h"

using namespace mlir;
using namespace fsdp::onnx;

static RankedTensorType tensorType(Value v) {
  return cast<RankedTensorType>(v.getType());
}

/// Shape of what a gather from `table` by `indices` reads; fails after an error
/// that names `rule`.
static FailureOr<SmallVector<int64_t>>
gatheredShape(std::optional<Location> loc, RankedTensorType table,
              RankedTensorType indices, int64_t batchDims, StringRef rule) {
  if (batchDims < 0 || table.getRank() <= batchDims ||
      indices.getRank() < batchDims ||
      table.getShape().take_front(batchDims) !=
          indices.getShape().take_front(batchDims))
    return emitOptionalError(loc, "table ", table, " and indices ", indices,
                             " do not agree in their first ", batchDims,
                             " extents, or the table has no more (", rule, ")");
  SmallVector<int64_t> shape(indices.getShape());
  llvm::append_range(shape, table.getShape().drop_front(batchDims + 1));
  return shape;
}

INFER(GatherOp) {
  Adaptor adaptor(operands, attributes, properties, regions);
  RankedTensorType table = tensorType(operands[0]);
  int64_t batchDims = adaptor.getBatchDims();
  auto shape = gatheredShape(loc, table, tensorType(operands[1]), batchDims,
                             "gather_c1"); // gather_c1
  if (failed(shape))
    return failure();
  if (batchDims && adaptor.getPaddingIdx()) // gather_c2
    return emitOptionalError(loc,
                             "has both padding_idx and batch_dims (gather_c2)");
  types.push_back(RankedTensorType::get(*shape, table.getElementType()));
  return success();
}

INFER(ScatterOp) {
  Adaptor adaptor(operands, attributes, properties, regions);
  RankedTensorType x = tensorType(operands[0]);
  auto shape =
      gatheredShape(loc, x, tensorType(operands[1]), adaptor.getBatchDims(),
                    "scatter_c1"); // scatter_c1
  if (failed(shape))
    return failure();
  auto wanted = RankedTensorType::get(*shape, x.getElementType());
  if (operands[2].getType() != wanted) // scatter_c2
    return emitOptionalError(loc, "updates of type ", operands[2].getType(),
                             ", expected ", wanted, " (scatter_c2)");
  types.push_back(x);
  return success();
}

INFER(TopKOp) {
  Adaptor adaptor(operands, attributes, properties, regions);
  RankedTensorType x = tensorType(operands[0]);
  int64_t k = adaptor.getK();
  if (x.getRank() < 1 || k < 1 || k > x.getShape().back()) // top_k_c1
    return emitOptionalError(loc, "takes ", k, " elements along the last axis ",
                             "of ", x, " (top_k_c1)");
  SmallVector<int64_t> shape(x.getShape());
  shape.back() = k;
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  types.push_back(RankedTensorType::get(shape, IntegerType::get(context, 64)));
  return success();
}

INFER(CumSumOp) {
  Adaptor adaptor(operands, attributes, properties, regions);
  RankedTensorType x = tensorType(operands[0]);
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= x.getRank()) // cumsum_c1
    return emitOptionalError(loc, "axis ", axis, " is not in [0, ", x.getRank(),
                             ") (cumsum_c1)");
  types.push_back(x);
  return success();
}
