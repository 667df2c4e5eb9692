//===- BuildUpdate.cpp - Norm, clipping, optimizer ------------------------===//
//
//   train.gradient @w, %g
// becomes, at the end of the step,
//   train.update_begin
//   %norm = train.global_norm %g, ...
//   %clip = train.clip_coefficient %norm max 1.0
//   train.update @w, %g lr %lr step %step clip %clip {rule = #train.adamw<...>}
//
//===----------------------------------------------------------------------===//
#include "passes/Support/Step.h"
#include "passes/Train/Passes.h"

#include <cmath>

namespace fsdp {
#define GEN_PASS_DEF_TRAINBUILDUPDATE
#include "passes/Train/Passes.h.inc"
} // namespace fsdp

using namespace mlir;
using namespace fsdp;

namespace {
constexpr llvm::StringLiteral kScope = "optimizer";

struct BuildUpdate : public fsdp::impl::TrainBuildUpdateBase<BuildUpdate> {
  using TrainBuildUpdateBase::TrainBuildUpdateBase;

  void runOnOperation() override {
    func::FuncOp func = getFunction(getOperation(), kStep);
    if (!func || failed(checkOptions(func)) || failed(build(func)))
      signalPassFailure();
  }

  LogicalResult checkOptions(func::FuncOp func) {
    if (optimizer != "adamw" && optimizer != "sgd")
      return func.emitError("unknown optimizer '")
             << optimizer << "', expected adamw or sgd";
    std::pair<double, const char *> numbers[] = {
        {eps, "eps"},
        {weightDecay, "weight-decay"},
        {momentum, "momentum"},
        {clipGradNorm, "clip-grad-norm"}};
    for (auto [value, name] : numbers)
      if (!(value >= 0) || std::isinf(value))
        return func.emitError("--") << name << " is " << value
                                    << ", expected a number of at least 0";
    std::vector<std::string> names;
    for (auto parameter : getOperation().getOps<onnx::ParameterOp>())
      llvm::append_range(names, namesOf(parameter));
    for (const std::string &pattern : noDecay)
      if (llvm::none_of(names, [&](const std::string &name) {
            return matchesGlob(pattern, name);
          }))
        return func.emitError("--no-decay '")
               << pattern << "' matches no parameter"
               << suggestNames(pattern, names);
    return success();
  }

  /// A tied parameter goes by each of its names.
  static std::vector<std::string> namesOf(onnx::ParameterOp parameter) {
    std::vector<std::string> names = {parameter.getSymName().str()};
    if (ArrayAttr aliases = parameter.getAliasesAttr())
      for (auto alias : aliases.getAsValueRange<StringAttr>())
        names.push_back(alias.str());
    return names;
  }

  LogicalResult build(func::FuncOp func) {
    Block &block = func.getBody().front();
    SmallVector<train::GradientOp> gradients(block.getOps<train::GradientOp>());
    if (gradients.empty())
      return func.emitError("'step' has no gradients: run "
                            "--train-build-backward");
    if (func.getNumResults() != 2)
      return func.emitError("'step' returns ")
             << func.getNumResults()
             << " values, expected the loss and the number of valid tokens: "
                "run --train-build-backward";
    SmallVector<Value> grads;
    for (train::GradientOp gradient : gradients) {
      if (!getOperation().lookupSymbol<onnx::ParameterOp>(
              gradient.getParameter()))
        return gradient.emitOpError("is that of @")
               << gradient.getParameter() << ", which is no parameter";
      grads.push_back(gradient.getGrad());
    }
    OpBuilder builder(block.getTerminator());
    Location loc = func.getLoc();
    Type scalar = RankedTensorType::get({}, builder.getF32Type());
    builder.create<train::UpdateBeginOp>(loc);
    Value lr = addArgument(func, scalar, "lr");
    Value step = addArgument(func, scalar, "step");
    Value norm =
        builder.create<train::GlobalNormOp>(loc, scalar, grads, kScope);
    Value clip;
    if (clipGradNorm > 0)
      clip = builder.create<train::ClipCoefficientOp>(
          loc, scalar, norm, builder.getF64FloatAttr(clipGradNorm),
          builder.getStringAttr(kScope));
    for (train::GradientOp gradient : gradients) {
      builder.create<train::UpdateOp>(
          gradient.getLoc(), gradient.getParameterAttr(), gradient.getGrad(),
          lr, step, clip, ruleFor(gradient.getParameter()),
          builder.getStringAttr(kScope));
      gradient.erase();
    }
    Operation *terminator = block.getTerminator();
    setResults(func,
               {terminator->getOperand(0), norm, terminator->getOperand(1)},
               {"loss", "grad_norm", "valid_tokens"});
    return success();
  }

  train::OptimizerRule ruleFor(StringRef parameter) {
    std::vector<std::string> names =
        namesOf(getOperation().lookupSymbol<onnx::ParameterOp>(parameter));
    bool decays = llvm::none_of(noDecay, [&](const std::string &pattern) {
      return llvm::any_of(names, [&](const std::string &name) {
        return matchesGlob(pattern, name);
      });
    });
    double decay = decays ? weightDecay : 0.0;
    if (optimizer == "adamw")
      return train::findRuleKind(optimizer)->build(
          &getContext(), {1, beta1, beta2, eps, decay});
    return train::findRuleKind(optimizer)->build(&getContext(),
                                                 {1, momentum, decay});
  }
};
} // namespace
