//===- OptimizerFlags.cpp - fsdp-compile's options of updates -------------===//
#include "OptimizerFlags.h"
#include "Numbers.h"
#include "passes/Support/OptimizerText.h"
#include "tools/Tool.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

namespace cl = llvm::cl;
using llvm::formatv;
using llvm::StringRef;
using namespace fsdp;

cl::OptionCategory fsdp::trainOptions("Training step");

namespace {
cl::opt<std::string> optimizer(
    "optimizer",
    cl::desc("adamw (default), adam, sgd, adagrad, lion or adafactor"),
    cl::init("adamw"), cl::cat(trainOptions));
cl::opt<std::string>
    betas("betas",
          cl::desc("Betas of adamw and adam (default 0.9,0.999) or lion "
                   "(default 0.9,0.99)"),
          cl::cat(trainOptions));
NumberOption eps("eps",
                 cl::desc("Epsilon of adamw and adam (default 1e-8) or adagrad "
                          "(default 1e-10)"),
                 cl::cat(trainOptions));
NumberOption weightDecay("weight-decay",
                         cl::desc("Weight decay (default: 0.01 adamw, else 0)"),
                         cl::cat(trainOptions));
cl::list<std::string>
    noDecay("no-decay",
            cl::desc("Parameters that do not decay, whatever their group "
                     "(default: none)"),
            cl::value_desc("pattern"), cl::cat(trainOptions));
cl::list<std::string> groups(
    "group",
    cl::desc("Numbers of the parameters that a pattern matches, by torch's "
             "names: 'model.layers.*.**: lr=0.1x, weight_decay=0, "
             "betas=0.9,0.95'; the first group that matches holds (default: "
             "none)"),
    cl::value_desc("pattern: name=x,..."), cl::cat(trainOptions));
NumberOption momentum("momentum", cl::desc("SGD's momentum (default 0)"),
                      cl::cat(trainOptions));
NumberOption dampening("dampening",
                       cl::desc("SGD's dampening of its momentum (default 0)"),
                       cl::cat(trainOptions));
cl::opt<bool> nesterov("nesterov", cl::desc("SGD with Nesterov's momentum"),
                       cl::cat(trainOptions));
NumberOption lrDecay("lr-decay",
                     cl::desc("Adagrad's decay of the learning rate (default "
                              "0)"),
                     cl::cat(trainOptions));
NumberOption initialAccumulator(
    "initial-accumulator-value",
    cl::desc("What Adagrad's sums of squares begin with (default 0)"),
    cl::cat(trainOptions));
NumberOption
    beta2Decay("beta2-decay",
               cl::desc("Exponent of the update's number in Adafactor's "
                        "moments (default -0.8)"),
               cl::cat(trainOptions));
NumberOption eps1("eps1",
                  cl::desc("Adafactor's least root of a moment (default "
                           "1.19e-7, float32's epsilon)"),
                  cl::cat(trainOptions));
NumberOption eps2("eps2",
                  cl::desc("Adafactor's least size of a parameter, that its "
                           "steps go by (default 1e-3)"),
                  cl::cat(trainOptions));
NumberOption clippingThreshold(
    "d", cl::desc("Adafactor's clipping threshold of an update (default 1)"),
    cl::cat(trainOptions));
NumberOption
    clipGradNorm("clip-grad-norm",
                 cl::desc("Largest global gradient norm (default: none)"),
                 cl::cat(trainOptions));
NumberOption
    ema("ema",
        cl::desc("Keep an average of the parameters too, which keeps so much "
                 "of itself in a step: 0.999 (default: none)"),
        cl::value_desc("number"), cl::cat(trainOptions));
cl::opt<std::string> optimizerDtype(
    "optimizer-dtype",
    cl::desc("What the optimizer's moments are kept in: float32 or bfloat16, "
             "stochastically rounded, so that small changes count (default "
             "float32)"),
    cl::value_desc("dtype"), cl::init("float32"), cl::cat(trainOptions));

/// The flags that rules of `kind` have, in words.
std::string flagsOf(const train::RuleKind &kind) {
  std::string flags;
  for (const train::RuleNumber &number : kind.numbers)
    if (number.name != "lr" && number.name != "beta2")
      flags += (flags.empty() ? "" : ", ") +
               (number.name == "beta1" ? "--betas" : flagOf(number.name));
  return flags;
}

std::string wrongOptimizer(const cl::Option &option, StringRef number,
                           const train::RuleKind &kind) {
  std::string owners;
  for (const train::RuleKind &other : train::getRuleKinds())
    if (other.find(number))
      owners += (owners.empty() ? "" : " or ") + other.name.str();
  return formatv("--{0} is for --optimizer {1}; {2} has {3}", option.ArgStr,
                 owners, kind.name, flagsOf(kind));
}

std::string unknownOptimizer() {
  if (optimizer == "amsgrad")
    return "--optimizer amsgrad is not there: the largest second moment is not "
           "kept; adam and adamw are";
  std::vector<std::string> known;
  for (const train::RuleKind &kind : train::getRuleKinds())
    known.push_back(kind.name.str());
  return formatv("unknown --optimizer '{0}', expected {1}{2}",
                 optimizer.getValue(), listRuleKinds(),
                 didYouMean(optimizer, known));
}

/// "0.9,0.999" to two numbers in [0, 1).
std::string readBetas(llvm::SmallVectorImpl<double> &values,
                      const train::RuleKind &kind) {
  auto [first, second] = StringRef(betas).split(',');
  for (auto [name, text] : {std::pair("beta1", first), {"beta2", second}}) {
    double &value = values[*kind.find(name)];
    if (text.trim().getAsDouble(value) || !(value >= 0 && value < 1))
      return "cannot read --betas '" + betas +
             "', expected two numbers in [0, 1): 0.9,0.999";
  }
  return "";
}

/// The numbers of the rule, from the options that are given.
std::string readNumbers(const train::RuleKind &kind,
                        llvm::SmallVectorImpl<double> &values) {
  if (betas.getNumOccurrences()) {
    std::string problem = kind.find("beta1")
                              ? readBetas(values, kind)
                              : wrongOptimizer(betas, "beta1", kind);
    if (!problem.empty())
      return problem;
  }
  const std::tuple<const cl::Option *, StringRef, double> given[] = {
      {&eps, "eps", eps},
      {&weightDecay, "weight_decay", weightDecay},
      {&momentum, "momentum", momentum},
      {&dampening, "dampening", dampening},
      {&nesterov, "nesterov", nesterov ? 1 : 0},
      {&lrDecay, "lr_decay", lrDecay},
      {&initialAccumulator, "initial_accumulator_value", initialAccumulator},
      {&beta2Decay, "beta2_decay", beta2Decay},
      {&eps1, "eps1", eps1},
      {&eps2, "eps2", eps2},
      {&clippingThreshold, "d", clippingThreshold}};
  for (auto [option, number, value] : given) {
    if (!option->getNumOccurrences())
      continue;
    std::optional<size_t> place = kind.find(number);
    if (!place)
      return wrongOptimizer(*option, number, kind);
    values[*place] = value;
  }
  std::string problem = kind.problemOf(values);
  if (problem.empty())
    return "";
  auto [number, rest] = StringRef(problem).split(' ');
  return flagOf(number) + " " + rest.str();
}

/// Options without an effect; "" if there are none.
std::string checkEffects(const train::RuleKind &kind,
                         llvm::ArrayRef<double> values,
                         llvm::ArrayRef<ParameterGroup> read) {
  auto isSet = [&](StringRef number) {
    size_t place = *kind.find(number);
    return values[place] != 0 ||
           llvm::any_of(read, [&](const ParameterGroup &group) {
             return withNumbers(values, group.numbers)[place] != 0;
           });
  };
  if (noDecay.getNumOccurrences() && !isSet("weight_decay"))
    return formatv("--no-decay has no effect: nothing decays{0}; give "
                   "--weight-decay",
                   weightDecay.getNumOccurrences()
                       ? ""
                       : ", " + kind.name.str() + "'s default is 0");
  if (kind.find("dampening") && isSet("dampening") && !isSet("momentum"))
    return "dampening has no effect without --momentum";
  return "";
}
} // namespace

std::string fsdp::readOptimizerOptions(PipelineOptions &options) {
  const train::RuleKind *kind = train::findRuleKind(optimizer);
  if (!kind)
    return unknownOptimizer();
  constexpr double largest = 3.4e38; // a program computes in float32
  if (clipGradNorm.getNumOccurrences())
    if (std::string problem =
            checkRange(clipGradNorm, {0, largest, /*withLeast=*/false});
        !problem.empty())
      return problem;
  if (ema.getNumOccurrences())
    if (std::string problem =
            checkRange(ema, {0, 1, /*withLeast=*/false, /*withMost=*/false});
        !problem.empty())
      return problem;
  if (!llvm::is_contained({"float32", "bfloat16"}, optimizerDtype.getValue()))
    return "unknown --optimizer-dtype '" + optimizerDtype +
           "', expected float32 or bfloat16" +
           didYouMean(optimizerDtype, {"float32", "bfloat16"});
  llvm::SmallVector<double> values = kind->defaults();
  if (std::string problem = readNumbers(*kind, values); !problem.empty())
    return problem;
  llvm::SmallVector<ParameterGroup> read;
  for (const std::string &text : groups)
    if (std::string problem =
            readGroup(text, *kind, values, read.emplace_back());
        !problem.empty())
      return problem;
  if (std::string problem = checkEffects(*kind, values, read); !problem.empty())
    return problem;
  options.optimizer = optimizer;
  options.optimizerNumbers = writeNumbers(*kind, values);
  options.groups = groups;
  options.noDecay = noDecay;
  options.clipGradNorm = clipGradNorm;
  options.ema = ema;
  options.optimizerDtype = optimizerDtype;
  return "";
}
