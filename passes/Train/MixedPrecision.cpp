//===- MixedPrecision.cpp - The model in the parameters' compute type -----===//
//
//   %w = onnx.read @w : tensor<8x4xf32>
//   %y = onnx.matmul %x, %w : f32
//   %z = onnx.gelu %y : f32
// becomes
//   %n = onnx.cast %w : bf16
//   %y = onnx.matmul %x, %n : bf16
//   %z = onnx.cast(onnx.gelu(onnx.cast %y : f32)) : bf16
//
// A value is narrow when it is computed from parameters; what is not (tables of
// positions, statistics of a norm) stays as it is.
//
//===----------------------------------------------------------------------===//
#include "passes/Support/DTypes.h"
#include "passes/Support/Step.h"
#include "passes/Support/Units.h"
#include "passes/Train/Passes.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

namespace fsdp {
#define GEN_PASS_DEF_TRAINMIXEDPRECISION
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
RankedTensorType withElement(Type type, Type element) {
  return RankedTensorType::get(cast<RankedTensorType>(type).getShape(),
                               element);
}

bool isOf(Value value, Type element) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType() == element;
}

/// Whether the result has its operands' type and neither it nor its gradient
/// needs a constant that the narrow type lacks: such an op is stated on it.
bool isExactOnNarrow(Operation *op) {
  return isa<onnx::AddOp, onnx::SubOp, onnx::MulOp, onnx::NegOp, onnx::ReluOp,
             onnx::WhereOp>(op);
}

bool isSum(Operation *op) {
  return isa<onnx::ReduceSumOp, onnx::ReduceMeanOp>(op);
}

/// Whether the largest of `probabilities` are looked for, as a router of
/// experts does: in the narrow type many would be equal.
bool areChosenFrom(Value probabilities) {
  return llvm::any_of(probabilities.getUsers(),
                      [](Operation *op) { return isa<onnx::TopKOp>(op); });
}

struct MixedPrecision
    : public fsdp::impl::TrainMixedPrecisionBase<MixedPrecision> {
  using TrainMixedPrecisionBase::TrainMixedPrecisionBase;

  void runOnOperation() override {
    FailureOr<FloatType> param =
        parseTrainingType(getOperation(), "--param-dtype", paramDtype);
    FailureOr<FloatType> output =
        parseTrainingType(getOperation(), "--output-dtype", outputDtype);
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (failed(param) || failed(output) || !func)
      return signalPassFailure();
    wide = Float32Type::get(&getContext());
    narrow = *param;
    if (!narrow || narrow == wide)
      return;
    wideOutput = *output == wide;
    casts.clear(); // values of a module that the pass ran on before
    Block &block = func.getBody().front();
    if (findOp<train::BackwardBeginOp>(block)) {
      func.emitError("'step' has a backward already: run "
                     "--train-mixed-precision before --train-build-backward");
      return signalPassFailure();
    }
    for (Operation &op : llvm::make_early_inc_range(block))
      visit(&op);
  }

private:
  //===--------------------------------------------------------------------===//
  // Values
  //===--------------------------------------------------------------------===//

  bool isNarrow(Value value) { return isOf(value, narrow); }
  bool isWide(Value value) { return isOf(value, wide); }

  /// `value` in `element`, cast right after it is computed; one cast a value.
  Value castTo(Value value, Type element) {
    Value &known = casts[{value, element}];
    if (!known) {
      OpBuilder builder(&getContext());
      builder.setInsertionPointAfterValue(value);
      Operation *def = value.getDefiningOp();
      known = builder.create<onnx::CastOp>(
          value.getLoc(), withElement(value.getType(), element), value,
          def ? onnx::getScope(def) : StringRef());
      ++numCasts;
    }
    return known;
  }

  void narrowOperand(OpOperand &operand) {
    if (isWide(operand.get()))
      operand.set(castTo(clamped(operand.get()), narrow));
  }

  void widenOperands(Operation *op) {
    for (OpOperand &operand : op->getOpOperands())
      if (isNarrow(operand.get()))
        operand.set(castTo(operand.get(), wide));
  }

  /// The same result in the narrow type for all that reads it later.
  void narrowResult(Value result) {
    if (!isWide(result))
      return;
    Value cast = castTo(result, narrow);
    result.replaceAllUsesExcept(cast, cast.getDefiningOp());
  }

  /// Constants, which masks make as large as f32 holds, within what the narrow
  /// type holds: rounded up they would be infinite.
  Value clamped(Value value) {
    DenseElementsAttr constant;
    if (!matchPattern(value, m_Constant(&constant)))
      return value;
    APFloat largest = APFloat::getLargest(narrow.getFloatSemantics());
    bool lost;
    largest.convert(APFloat::IEEEsingle(), APFloat::rmTowardZero, &lost);
    auto isBeyond = [&](const APFloat &number) {
      return !number.isInfinity() && !number.isNaN() && abs(number) > largest;
    };
    auto numbers = constant.getValues<APFloat>();
    bool isSplat = constant.isSplat();
    if (isSplat ? !isBeyond(constant.getSplatValue<APFloat>())
                : llvm::none_of(numbers, isBeyond))
      return value;
    auto clamp = [&](const APFloat &number) {
      APFloat least = largest;
      least.changeSign();
      return !isBeyond(number) ? number : number.isNegative() ? least : largest;
    };
    SmallVector<APFloat> within;
    if (isSplat)
      within.push_back(clamp(constant.getSplatValue<APFloat>()));
    else
      llvm::append_range(within, llvm::map_range(numbers, clamp));
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(value);
    auto type = cast<RankedTensorType>(value.getType());
    return builder.create<onnx::ConstantOp>(
        value.getLoc(), type, DenseElementsAttr::get(type, within),
        onnx::getScope(value.getDefiningOp()));
  }

  //===--------------------------------------------------------------------===//
  // Ops
  //===--------------------------------------------------------------------===//

  void visit(Operation *op) {
    if (auto read = dyn_cast<onnx::ReadOp>(op))
      return visitRead(read);
    castUnitInputs(op);
    if (llvm::none_of(op->getOperands(), [&](Value v) { return isNarrow(v); }))
      return;
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](onnx::SoftmaxOp softmax) {
          if (areChosenFrom(softmax))
            return widenOperands(softmax);
          retype(softmax, softmax->getOpOperands());
        })
        .Case<onnx::MatMulOp, onnx::LayerNormalizationOp,
              onnx::RmsNormalizationOp>(
            [&](auto typed) { retype(typed, typed->getOpOperands()); })
        .Case([&](onnx::AttentionOp attention) {
          // The mask is added to scores, which are computed in f32.
          retype(attention, attention->getOpOperands().take_front(3));
        })
        .Case<onnx::TransposeOp, onnx::ReshapeOp, onnx::StopGradientOp,
              onnx::ExpandOp, onnx::SliceOp, onnx::PadOp, onnx::ConcatOp,
              onnx::SplitOp, onnx::GatherOp, onnx::ScatterOp, onnx::TopKOp>(
            [&](auto typed) { retype(typed, typed->getOpOperands()); })
        .Case<onnx::ReduceSumOp, onnx::ReduceMeanOp>([](auto) {
          // Summed in f32 and kept so: a statistic.
        })
        .Case([&](onnx::SoftmaxCrossEntropyLossOp loss) {
          if (wideOutput)
            widenOperands(loss);
        })
        .Case<onnx::ElementwiseOpInterface>([&](auto) { visitElementwise(op); })
        .Default([&](Operation *other) { widenOperands(other); });
  }

  void visitRead(onnx::ReadOp read) {
    auto parameter =
        getOperation().lookupSymbol<onnx::ParameterOp>(read.getParameter());
    if (isWide(read.getResult()) && parameter && !parameter.getBuffer())
      narrowResult(read.getResult());
  }

  /// Float values of another unit are cast where they enter one (FSDP2's
  /// cast_forward_inputs); constants are buffers, which are never cast.
  void castUnitInputs(Operation *op) {
    std::string unit = unitOf(op);
    if (unit.empty())
      return;
    bool isAttention = isa<onnx::AttentionOp>(op);
    for (OpOperand &operand : op->getOpOperands()) {
      Operation *def = operand.get().getDefiningOp();
      bool isBuffer = def && isa<onnx::ConstantOp, onnx::ReadOp>(def);
      bool isMask = isAttention && operand.getOperandNumber() == 3;
      if (!isWide(operand.get()) || isBuffer || isMask)
        continue;
      if (!def || unitOf(def) != unit)
        narrowOperand(operand);
    }
  }

  /// The unit whose module `op` belongs to; "" for the root.
  std::string unitOf(Operation *op) {
    std::string inside = (onnx::getScope(op) + ".op").str();
    return unitOfName(inside, units).str();
  }

  /// States `op` on narrow values: `operands` and all floating results.
  void retype(Operation *op, MutableArrayRef<OpOperand> operands) {
    for (OpOperand &operand : operands)
      narrowOperand(operand);
    // Statistics beside the first result stay as they are.
    auto results = isa<onnx::SplitOp>(op) ? op->getResults()
                                          : op->getResults().take_front(1);
    for (Value result : results)
      if (isWide(result))
        result.setType(withElement(result.getType(), narrow));
  }

  void visitElementwise(Operation *op) {
    bool allNarrow =
        llvm::none_of(op->getOperands(), [&](Value v) { return isWide(v); });
    if (allNarrow && isExactOnNarrow(op))
      return retype(op, {});
    for (OpOperand &operand : op->getOpOperands())
      if (isWide(operand.get()))
        operand.set(clamped(operand.get()));
    widenOperands(op);
    // What is summed next is summed as it is: the inside of a norm.
    if (op->getUsers().empty() || !llvm::all_of(op->getUsers(), isSum))
      narrowResult(op->getResult(0));
  }

  Type wide;
  FloatType narrow;
  bool wideOutput = false;
  DenseMap<std::pair<Value, Type>, Value> casts;
};
} // namespace
