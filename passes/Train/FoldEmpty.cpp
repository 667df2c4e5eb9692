//===- FoldEmpty.cpp - Computation on tensors without elements ------------===//
//
//   %e = onnx.slice %x ... -> tensor<2x8x0xf32>
//   %y = onnx.concat %x, %e axis 2
//   %s = onnx.reduce_sum %e [0, 1, 2]
// becomes
//   %y is %x
//   %s = onnx.constant dense<0.0>
//
// So nothing behind this pass meets an extent of 0 but in parameters.
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Support/Values.h"
#include "passes/Train/Form.h"
#include "passes/Train/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>
#include <limits>

namespace fsdp {
#define GEN_PASS_DEF_TRAINFOLDEMPTY
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
bool isEmpty(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && type.getNumElements() == 0;
}

/// A constant of `type` whose elements, if it has any, are all `number`.
Value constant(OpBuilder &builder, Operation *op, Type type, double number) {
  auto tensor = cast<RankedTensorType>(type);
  Type element = tensor.getElementType();
  Attribute value =
      isa<FloatType>(element)
          ? Attribute(builder.getFloatAttr(element, number))
          : Attribute(builder.getIntegerAttr(element, int64_t(number)));
  auto elements = tensor.getNumElements()
                      ? DenseElementsAttr::get(tensor, value)
                      : DenseElementsAttr::get(tensor, ArrayRef<Attribute>());
  return builder.create<onnx::ConstantOp>(op->getLoc(), type, elements,
                                          onnx::getScope(op));
}

/// What ONNX's ReduceMax says of no elements: minus infinity, or the least
/// number of the type.
double leastOf(Type element) {
  if (isa<FloatType>(element))
    return -std::numeric_limits<double>::infinity();
  unsigned width = element.getIntOrFloatBitWidth();
  return width == 1 ? 0 : -std::ldexp(1, width - 1);
}

/// The value of `op`, whose result has elements but which reads a tensor that
/// has none; null where it has no value.
Value foldReader(OpBuilder &builder, Operation *op) {
  auto all = [&](double number) {
    return constant(builder, op, op->getResult(0).getType(), number);
  };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<onnx::ReduceSumOp, onnx::MatMulOp>([&](auto) { return all(0); })
      .Case([&](onnx::ReduceMeanOp mean) {
        // 0 / 0, which integers lack.
        return isa<FloatType>(typeOf(mean.getY()).getElementType())
                   ? all(std::numeric_limits<double>::quiet_NaN())
                   : Value();
      })
      .Case([&](onnx::ReduceMaxOp most) {
        return all(leastOf(typeOf(most.getY()).getElementType()));
      })
      .Case([&](onnx::PadOp pad) {
        return all(pad.getValue().convertToDouble());
      })
      .Case([&](onnx::ConcatOp concat) -> Value {
        SmallVector<Value> parts;
        llvm::copy_if(concat.getInputs(), std::back_inserter(parts),
                      [](Value part) { return !isEmpty(part); });
        if (parts.size() == 1)
          return parts.front();
        return builder.create<onnx::ConcatOp>(concat.getLoc(), concat.getType(),
                                              parts, concat.getAxis(),
                                              concat.getScope());
      })
      .Default([](Operation *) { return Value(); });
}

struct FoldEmpty : public fsdp::impl::TrainFoldEmptyBase<FoldEmpty> {
  using TrainFoldEmptyBase::TrainFoldEmptyBase;

  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      for (Block &block : func.getBody()) {
        for (BlockArgument argument : block.getArguments())
          if (isEmpty(argument)) {
            reportInput(func, argument);
            return signalPassFailure();
          }
        llvm::SetVector<StringAttr> read = parametersOf(block);
        for (Operation &op : llvm::make_early_inc_range(block))
          if (failed(fold(&op)))
            return signalPassFailure();
        eraseUnused(block);
        read.set_subtract(parametersOf(block));
        if (failed(checkNotTrained(read.getArrayRef())))
          return signalPassFailure();
      }
  }

  static llvm::SetVector<StringAttr> parametersOf(Block &block) {
    llvm::SetVector<StringAttr> names;
    for (auto read : block.getOps<onnx::ReadOp>())
      names.insert(read.getParameterAttr().getAttr());
    return names;
  }

  /// A parameter whose elements were all read by way of no elements has, for
  /// PyTorch, a gradient of zeros, by which an optimizer's decay acts; one that
  /// is read no more has none.
  LogicalResult checkNotTrained(ArrayRef<StringAttr> names) {
    for (StringAttr name : names) {
      auto parameter = getOperation().lookupSymbol<onnx::ParameterOp>(name);
      if (!parameter || parameter.getBuffer() || parameter.getFrozen() ||
          parameter.getTensorType().getNumElements() == 0)
        continue;
      return parameter.emitError("parameter '")
             << name.getValue()
             << "' is read by way of tensors without elements alone: its "
                "gradient would be zeros; freeze it (--freeze "
             << name.getValue() << ") or leave it out of the model";
    }
    return success();
  }

  static void reportInput(func::FuncOp func, BlockArgument argument) {
    auto name =
        func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kOnnxName);
    func.emitError("input '")
        << (name ? name.getValue() : "") << "' of type " << argument.getType()
        << " has no elements, expected extents of 1 or more";
  }

  /// A cut with the parts that have elements alone.
  void cut(onnx::SplitOp op) {
    SmallVector<Value> parts;
    llvm::copy_if(op.getYs(), std::back_inserter(parts),
                  [](Value part) { return !isEmpty(part); });
    if (parts.size() == op.getYs().size() || parts.empty())
      return;
    ++numFolded;
    if (parts.size() == 1)
      return parts.front().replaceAllUsesWith(op.getX());
    OpBuilder builder(op);
    auto cut =
        builder.create<onnx::SplitOp>(op.getLoc(), TypeRange(ValueRange(parts)),
                                      op.getX(), op.getAxis(), op.getScope());
    for (auto [part, own] : llvm::zip_equal(parts, cut.getYs()))
      part.replaceAllUsesWith(own);
  }

  LogicalResult fold(Operation *op) {
    if (!isa<onnx::OnnxDialect>(op->getDialect()) || isa<onnx::ConstantOp>(op))
      return success();
    OpBuilder builder(op);
    for (OpResult result : op->getResults())
      if (isEmpty(result) && !result.use_empty()) {
        result.replaceAllUsesWith(constant(builder, op, result.getType(), 0));
        ++numFolded;
      }
    if (auto split = dyn_cast<onnx::SplitOp>(op))
      cut(split);
    bool isNeeded = llvm::any_of(
        op->getResults(), [](OpResult result) { return !result.use_empty(); });
    if (!isNeeded || llvm::none_of(op->getOperands(), isEmpty))
      return success();
    if (Value value = foldReader(builder, op)) {
      op->getResult(0).replaceAllUsesWith(value);
      ++numFolded;
      return success();
    }
    Value operand = *llvm::find_if(op->getOperands(), isEmpty);
    return op->emitOpError("reads a tensor without elements, ")
           << operand.getType() << ", and has no value for it: expected "
           << "extents of 1 or more";
  }
};
} // namespace
