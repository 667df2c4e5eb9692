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
#include "passes/Support/OptimizerText.h"
#include "passes/Support/Step.h"
#include "passes/Train/Passes.h"

#include "llvm/Support/FormatVariadic.h"
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
    if (!func)
      return signalPassFailure();
    groups.clear(); // of another module
    rules.clear();
    std::string problem = readOptions();
    if (problem.empty())
      problem = findGroups();
    if (!problem.empty())
      func.emitError(problem);
    if (!problem.empty() || failed(build(func)))
      signalPassFailure();
  }

  /// What is wrong with the options; "" if all is well.
  std::string readOptions() {
    kind = train::findRuleKind(optimizer);
    if (!kind)
      return "unknown optimizer '" + optimizer + "', expected " +
             listRuleKinds();
    if (!(clipGradNorm >= 0) || std::isinf(clipGradNorm))
      return "--clip-grad-norm is " + std::to_string(clipGradNorm) +
             ", expected a number of at least 0";
    if (!(ema >= 0 && ema < 1))
      return "--ema is " + std::to_string(ema) +
             ", expected a number in [0, 1)";
    if (optimizerDtype != "float32" && optimizerDtype != "bfloat16")
      return "unknown optimizer dtype '" + optimizerDtype +
             "', expected float32 or bfloat16";
    SmallVector<GivenNumber> given;
    for (StringRef text : numbers) {
      auto [name, value] = text.split('=');
      std::string problem = readRuleNumber(name, value, *kind, given);
      if (!problem.empty())
        return problem;
    }
    values = withNumbers(kind->defaults(), given);
    if (std::string problem = kind->problemOf(values); !problem.empty())
      return problem;
    for (const std::string &text : groupTexts) {
      std::string problem =
          readGroup(text, *kind, values, groups.emplace_back());
      if (!problem.empty())
        return problem;
    }
    return "";
  }

  /// The numbers of each parameter: of the first group that it is in, without
  /// decay where it is to have none. A group without a parameter is a mistake.
  std::string findGroups() {
    std::vector<std::string> all;
    bool isRounded = false;
    llvm::SmallVector<bool> matches(groups.size()), isUsed(groups.size());
    for (auto parameter : getOperation().getOps<onnx::ParameterOp>()) {
      std::vector<std::string> names = namesOf(parameter);
      llvm::append_range(all, names);
      if (!parameter.isTrainable())
        continue;
      SmallVector<double> own = values;
      bool isInGroup = false;
      for (auto [i, group] : llvm::enumerate(groups)) {
        if (!matchesAny(group.pattern, names))
          continue;
        matches[i] = true;
        if (!isInGroup)
          own = withNumbers(values, group.numbers);
        isUsed[i] |= !isInGroup;
        isInGroup = true;
      }
      for (const std::string &pattern : noDecay)
        if (matchesAny(pattern, names))
          own[*kind->find("weight_decay")] = 0;
      train::OptimizerRule rule = buildRule(own);
      rules[parameter.getSymName()] = rule;
      isRounded |= rule.isRounded();
      Type element = parameter.getTensorType().getElementType();
      if (rule.isRounded() && !element.isF32())
        return llvm::formatv("--optimizer-dtype bfloat16 is for parameters of "
                             "f32, '{0}' is of {1}",
                             parameter.getSymName(), element);
    }
    if (optimizerDtype == "bfloat16" && !isRounded)
      return "--optimizer-dtype bfloat16 has no effect: " + kind->name.str() +
             (kind->find("momentum") ? " without momentum" : "") +
             " keeps no moment of each element";
    for (auto [i, group] : llvm::enumerate(groups)) {
      if (!matches[i])
        return "--group '" + group.pattern + "' matches no parameter" +
               (matchesAny(group.pattern, all)
                    ? " that is trained"
                    : suggestNames(group.pattern, all));
      if (!isUsed[i])
        return "--group '" + group.pattern +
               "' has no effect: all parameters that it matches are in groups "
               "before it";
    }
    for (const std::string &pattern : noDecay)
      if (!matchesAny(pattern, all))
        return "--no-decay '" + pattern + "' matches no parameter" +
               suggestNames(pattern, all);
    return "";
  }

  train::OptimizerRule buildRule(ArrayRef<double> own) {
    train::OptimizerRule rule = kind->build(&getContext(), own);
    if (optimizerDtype == "bfloat16" && !rule.getStates().empty())
      rule = train::RoundedAttr::get(&getContext(), rule,
                                     BFloat16Type::get(&getContext()));
    if (ema == 0)
      return rule;
    auto keep = FloatAttr::get(Float64Type::get(&getContext()), ema);
    return train::AveragedAttr::get(&getContext(), rule, keep);
  }

  static bool matchesAny(StringRef pattern, ArrayRef<std::string> names) {
    return llvm::any_of(names, [&](const std::string &name) {
      return matchesGlob(pattern, name);
    });
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
          lr, step, clip, rules.lookup(gradient.getParameter()),
          builder.getStringAttr(kScope));
      gradient.erase();
    }
    Operation *terminator = block.getTerminator();
    setResults(func,
               {terminator->getOperand(0), norm, terminator->getOperand(1)},
               {"loss", "grad_norm", "valid_tokens"});
    return success();
  }

  const train::RuleKind *kind = nullptr;
  SmallVector<double> values; ///< of parameters in no group
  SmallVector<ParameterGroup> groups;
  llvm::StringMap<train::OptimizerRule> rules; ///< by parameter
};
} // namespace
