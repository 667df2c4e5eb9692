//===- AttachLoss.cpp - One scalar loss as the only result ----------------===//
//
//   func @forward(%tokens) -> %logits
// becomes
//   func @step(%tokens, %labels) -> onnx.softmax_cross_entropy_loss(...)
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Train/Passes.h"

#include <limits>

namespace fsdp {
#define GEN_PASS_DEF_TRAINATTACHLOSS
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
/// The ONNX name of result or argument number `i`, "" when it has none.
StringRef nameOf(DictionaryAttr attrs) {
  auto name = attrs ? attrs.getAs<StringAttr>(kOnnxName) : StringAttr();
  return name ? name.getValue() : StringRef();
}

/// [batch, seq] of i64 or i32: what tokens and labels are.
bool isTokenLike(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 2 &&
         (tensor.getElementType().isInteger(64) ||
          tensor.getElementType().isInteger(32));
}

/// Whether `labels` reaches the loss as it is, or is moved on the way.
bool isShiftedByModel(Value labels) {
  while (Operation *op = labels.getDefiningOp()) {
    if (!isa<onnx::ReshapeOp, onnx::CastOp>(op))
      return true;
    labels = op->getOperand(0);
  }
  return false;
}

/// Rows of the smallest table that `tokens`, moved about on the way or not, are
/// looked up in; `rows` where there is none.
int64_t rowsLookedUp(Value tokens, int64_t rows) {
  llvm::SetVector<Value> reached;
  reached.insert(tokens);
  for (size_t i = 0; i < reached.size(); ++i) {
    Value value = reached[i];
    for (Operation *op : value.getUsers()) {
      auto gather = dyn_cast<onnx::GatherOp>(op);
      if (gather && gather.getIndices() == value) {
        auto table = cast<RankedTensorType>(gather.getTable().getType());
        rows = std::min(rows, table.getDimSize(gather.getBatchDims()));
      } else if (isa<onnx::GatherOp, onnx::ReshapeOp, onnx::CastOp,
                     onnx::SliceOp, onnx::TransposeOp, onnx::ExpandOp,
                     onnx::ConcatOp>(op)) {
        reached.insert(op->getResult(0));
      }
    }
  }
  return rows;
}

struct AttachLoss : public fsdp::impl::TrainAttachLossBase<AttachLoss> {
  using TrainAttachLossBase::TrainAttachLossBase;

  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kForward);
    if (!func || failed(attach(func)) || failed(assignRoles(func)) ||
        failed(checkLabels(func)))
      return signalPassFailure();
    setTokenRows(func);
    func.setName(kStep);
  }

  /// Token ids are bounded by the tables, labels by the logits' width. Without
  /// an input for labels the model makes them of the tokens.
  void setTokenRows(func::FuncOp func) {
    constexpr int64_t unbounded = std::numeric_limits<int64_t>::max();
    int64_t rows = unbounded;
    bool hasLabels = false;
    for (BlockArgument argument : func.getArguments()) {
      auto role =
          func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kRole);
      if (role == "tokens")
        rows = rowsLookedUp(argument, rows);
      hasLabels |= role == "labels";
    }
    auto classes = getOperation()->getAttrOfType<IntegerAttr>(kVocabSize);
    if (!hasLabels)
      rows = std::min(rows, classes.getInt());
    if (rows != unbounded)
      getOperation()->setAttr(kTokenRows,
                              IntegerAttr::get(classes.getType(), rows));
  }

  LogicalResult attach(func::FuncOp func) {
    FailureOr<onnx::SoftmaxCrossEntropyLossOp> op =
        loss.empty() ? findLoss(func) : addLoss(func);
    if (failed(op))
      return failure();
    bool byModel = isShiftedByModel(op->getLabels());
    std::string shift = labelsShift;
    if (shift.empty())
      shift = byModel ? "model" : "data";
    if (shift != "data" && shift != "model")
      return func.emitError("unknown labels-shift '")
             << shift << "', expected data or model";
    if (byModel && shift == "data")
      return func.emitError("--labels-shift data would shift the labels twice: "
                            "the model shifts them itself");
    getOperation()->setAttr(kLabelsShift,
                            StringAttr::get(&getContext(), shift));
    auto logitsType = cast<RankedTensorType>(op->getLogits().getType());
    getOperation()->setAttr(
        kVocabSize, IntegerAttr::get(IntegerType::get(&getContext(), 64),
                                     logitsType.getShape().back()));
    getOperation()->setAttr(
        kIgnoreIndex, IntegerAttr::get(IntegerType::get(&getContext(), 64),
                                       op->getIgnoreIndex()));
    setResults(func, {op->getLoss()}, {"loss"});
    return success();
  }

  FailureOr<onnx::SoftmaxCrossEntropyLossOp> findLoss(func::FuncOp func) {
    auto results = func.getBody().front().getTerminator()->getOperands();
    for (Value result : results)
      if (auto op = lossBehind(result))
        return op;
    for (auto [i, result] : llvm::enumerate(results)) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      auto name = func.getResultAttrOfType<StringAttr>(i, "onnx.name");
      Operation *op = result.getDefiningOp();
      if (name && op && type && type.hasStaticShape() &&
          type.getNumElements() == 1 && isa<FloatType>(type.getElementType()))
        return func.emitError("output '")
               << name.getValue() << "' is a '" << op->getName()
               << "', not a mean cross entropy, the only loss that is "
                  "supported: return that, or export the model without labels "
                  "and give --loss cross_entropy";
    }
    return func.emitError("the model returns no loss: give --loss "
                          "cross_entropy, or export it with labels");
  }

  FailureOr<onnx::SoftmaxCrossEntropyLossOp> addLoss(func::FuncOp func) {
    if (loss != "cross_entropy")
      return func.emitError("unknown loss '")
             << loss << "', expected cross_entropy";
    if (llvm::any_of(func.getBody().front().getTerminator()->getOperands(),
                     lossBehind))
      return func.emitError("--loss ")
             << loss << ": the model returns a loss of its own; leave --loss "
             << "away, or export the model without labels";
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (nameOf(func.getArgAttrDict(i)) == "labels")
        return func.emitError("--loss ")
               << loss << " takes labels of its own, but the model has an "
               << "input 'labels': export the model without it";
    FailureOr<Value> logitsValue = findLogits(func);
    if (failed(logitsValue))
      return failure();
    auto type = cast<RankedTensorType>(logitsValue->getType());
    OpBuilder builder(func.getBody().front().getTerminator());
    auto labelsType = RankedTensorType::get(type.getShape().drop_back(),
                                            builder.getI64Type());
    Value labels = addArgument(func, labelsType, "labels");
    return builder.create<onnx::SoftmaxCrossEntropyLossOp>(
        func.getLoc(), *logitsValue, labels, ignoreIndex, "loss");
  }

  /// The output called `logits`; without a name the one called "logits", or
  /// the only one that can be logits ([batch, seq, vocabulary], floating).
  FailureOr<Value> findLogits(func::FuncOp func) {
    auto values = func.getBody().front().getTerminator()->getOperands();
    SmallVector<unsigned> candidates;
    std::vector<std::string> names;
    for (unsigned i = 0; i < values.size(); ++i) {
      auto type = dyn_cast<RankedTensorType>(values[i].getType());
      if (!type || !type.hasStaticShape() || type.getRank() < 2 ||
          !isa<FloatType>(type.getElementType()))
        continue;
      StringRef name = nameOf(func.getResultAttrDict(i));
      names.push_back(name.str());
      if (name == (logits.empty() ? "logits" : logits.getValue()))
        return values[i];
      candidates.push_back(i);
    }
    if (!logits.empty())
      return func.emitError("the model has no output '")
             << logits << "' that can be logits; nearest: "
             << nearestNames(logits, names);
    if (candidates.size() != 1)
      return func.emitError("the model has ")
             << candidates.size()
             << " outputs that can be logits, expected one: name it with "
                "--logits ("
             << nearestNames("logits", names) << ")";
    return values[candidates.front()];
  }

  LogicalResult assignRoles(func::FuncOp func) {
    std::optional<unsigned> tokens = findTokens(func);
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      if (func.getArgAttr(i, kRole))
        continue;
      StringRef name = nameOf(func.getArgAttrDict(i));
      StringRef role = i == tokens        ? "tokens"
                       : name == "labels" ? "labels"
                                          : "";
      if (role.empty() || !isTokenLike(func.getArgument(i).getType()))
        return func.emitError("input '")
               << name << "' of type " << func.getArgument(i).getType()
               << " is neither tokens nor labels: fix it with --bind " << name
               << "=VALUE";
      func.setArgAttr(i, kRole, StringAttr::get(&getContext(), role));
    }
    return success();
  }

  /// A label is a token's.
  LogicalResult checkLabels(func::FuncOp func) {
    RankedTensorType tokens, labels;
    for (BlockArgument argument : func.getArguments()) {
      auto role =
          func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kRole);
      if (role == "tokens")
        tokens = cast<RankedTensorType>(argument.getType());
      else if (role == "labels")
        labels = cast<RankedTensorType>(argument.getType());
    }
    if (!tokens || !labels || tokens.getShape() == labels.getShape())
      return success();
    return func.emitError("the loss has labels of shape [")
           << labels.getShape() << "], but tokens are of shape ["
           << tokens.getShape()
           << "]: expected a label for each token, of logits [batch, seq, "
              "classes]; a loss of whole sequences is not supported";
  }

  /// The input called "input_ids"; without one the only input that can be
  /// tokens.
  static std::optional<unsigned> findTokens(func::FuncOp func) {
    SmallVector<unsigned> candidates;
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      StringRef name = nameOf(func.getArgAttrDict(i));
      if (name == "input_ids")
        return i;
      if (!func.getArgAttr(i, kRole) && name != "labels" &&
          isTokenLike(func.getArgument(i).getType()))
        candidates.push_back(i);
    }
    if (candidates.size() != 1)
      return std::nullopt;
    return candidates.front();
  }
};
} // namespace
