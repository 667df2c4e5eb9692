//===- OptimizerRules.cpp - The rules that there are ----------------------===//
//
// A rule's numbers, defaults and states; its formula is
// passes/Kernel/UpdateRules.cpp's.
//
//===----------------------------------------------------------------------===//
#include "dialects/Train/Train.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace fsdp::train;

#include "dialects/Train/TrainRules.cpp.inc"

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

namespace {
constexpr double kLargest = 3.4e38; // a program computes in float32

constexpr RuleNumber kScale = {"lr", 1, kLargest};
constexpr RuleNumber kEps = {"eps", 1e-8, kLargest};

constexpr RuleNumber belowOne(llvm::StringLiteral name, double initial) {
  return {name, initial, 1, /*withMost=*/false};
}
constexpr RuleNumber decay(double initial) {
  return {"weight_decay", initial, kLargest};
}

constexpr RuleNumber kAdamW[] = {kScale, belowOne("beta1", 0.9),
                                 belowOne("beta2", 0.999), kEps, decay(0.01)};
constexpr RuleNumber kAdam[] = {kScale, belowOne("beta1", 0.9),
                                belowOne("beta2", 0.999), kEps, decay(0)};
constexpr RuleNumber kSgd[] = {kScale,
                               belowOne("momentum", 0),
                               {"dampening", 0, 1},
                               {"nesterov", 0, 1},
                               decay(0)};
constexpr RuleNumber kAdagrad[] = {
    kScale,
    {"lr_decay", 0, kLargest},
    {"eps", 1e-10, kLargest},
    {"initial_accumulator_value", 0, kLargest, true, /*isPerGroup=*/false},
    decay(0)};
constexpr RuleNumber kLion[] = {kScale, belowOne("beta1", 0.9),
                                belowOne("beta2", 0.99), decay(0)};

/// eps1^2 is no subnormal number.
constexpr RuleNumber kAdafactor[] = {
    kScale,
    {"beta2_decay", -0.8, 0, true, true, /*least=*/-kLargest},
    {"eps1", 1.1920928955078125e-7, kLargest, true, true, /*least=*/1e-15},
    {"eps2", 1e-3, kLargest},
    {"d", 1, kLargest, true, true, /*least=*/1},
    decay(0)};

FloatAttr number(MLIRContext *context, double value) {
  return Builder(context).getF64FloatAttr(value);
}
/// As an attribute holds it: not where it is the usual one.
FloatAttr unless(double usual, MLIRContext *context, double value) {
  return value == usual ? FloatAttr() : number(context, value);
}

template <typename Attr>
OptimizerRule buildAdam(MLIRContext *context, ArrayRef<double> v) {
  return Attr::get(context, number(context, v[1]), number(context, v[2]),
                   number(context, v[3]), number(context, v[4]),
                   unless(1, context, v[0]));
}
OptimizerRule buildSgd(MLIRContext *context, ArrayRef<double> v) {
  return SgdAttr::get(context, number(context, v[1]), unless(0, context, v[2]),
                      v[3] != 0, number(context, v[4]),
                      unless(1, context, v[0]));
}
OptimizerRule buildAdagrad(MLIRContext *context, ArrayRef<double> v) {
  return AdagradAttr::get(context, number(context, v[1]), number(context, v[2]),
                          number(context, v[3]), number(context, v[4]),
                          unless(1, context, v[0]));
}
OptimizerRule buildLion(MLIRContext *context, ArrayRef<double> v) {
  return LionAttr::get(context, number(context, v[1]), number(context, v[2]),
                       number(context, v[3]), unless(1, context, v[0]));
}
OptimizerRule buildAdafactor(MLIRContext *context, ArrayRef<double> v) {
  return AdafactorAttr::get(context, number(context, v[1]),
                            number(context, v[2]), number(context, v[3]),
                            number(context, v[4]), number(context, v[5]),
                            unless(1, context, v[0]));
}

constexpr RuleKind kKinds[] = {{"adamw", kAdamW, buildAdam<AdamWAttr>},
                               {"adam", kAdam, buildAdam<AdamAttr>},
                               {"sgd", kSgd, buildSgd},
                               {"adagrad", kAdagrad, buildAdagrad},
                               {"lion", kLion, buildLion},
                               {"adafactor", kAdafactor, buildAdafactor}};

const RuleKind &kindOf(llvm::StringRef name) { return *findRuleKind(name); }
} // namespace

ArrayRef<RuleKind> fsdp::train::getRuleKinds() { return kKinds; }

const RuleKind *fsdp::train::findRuleKind(llvm::StringRef name) {
  const auto *found = llvm::find_if(
      kKinds, [&](const RuleKind &kind) { return kind.name == name; });
  return found == std::end(kKinds) ? nullptr : found;
}

std::optional<size_t> RuleKind::find(llvm::StringRef number) const {
  for (auto [i, known] : llvm::enumerate(numbers))
    if (known.name == number)
      return i;
  return std::nullopt;
}

llvm::SmallVector<double> RuleKind::defaults() const {
  return llvm::map_to_vector(
      numbers, [](const RuleNumber &number) { return number.initial; });
}

std::string RuleKind::problemOf(ArrayRef<double> values) const {
  std::string problem;
  llvm::raw_string_ostream os(problem);
  for (auto [number, value] : llvm::zip_equal(numbers, values))
    if (!(value >= number.least) ||
        (number.withMost ? value > number.most : value >= number.most)) {
      os << number.name << " is " << llvm::format("%g", value)
         << ", expected a number in [" << llvm::format("%g", number.least)
         << ", " << llvm::format("%g", number.most)
         << (number.withMost ? "]" : ")");
      return problem;
    }
  auto valueOf = [&](llvm::StringRef name) {
    std::optional<size_t> place = find(name);
    return place ? values[*place] : 0;
  };
  if (valueOf("nesterov") != 0 &&
      (valueOf("momentum") == 0 || valueOf("dampening") != 0))
    os << "nesterov needs a momentum above 0 and no dampening; momentum is "
       << llvm::format("%g", valueOf("momentum")) << ", dampening "
       << llvm::format("%g", valueOf("dampening"));
  return problem;
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

double OptimizerRule::getNumber(llvm::StringRef name) const {
  std::optional<size_t> place = getKind().find(name);
  assert(place && "the rule has the number");
  return getNumbers()[*place];
}

std::string OptimizerRule::getStateKey() const {
  std::string key;
  llvm::raw_string_ostream os(key);
  llvm::interleaveComma(getStates(), os, [&](const OptimizerState &state) {
    os << state.name;
    if (state.initial != 0)
      os << " from " << state.initial;
    if (state.type)
      os << " in " << state.type;
  });
  if (isFactored())
    os << (key.empty() ? "" : ", ") << "factored moments";
  return key;
}

bool OptimizerRule::isRounded() const {
  return llvm::any_of(getStates(), [](const OptimizerState &state) {
    return bool(state.type);
  });
}

namespace {
double valueOf(FloatAttr attr, double usual = 0) {
  return attr ? attr.getValueAsDouble() : usual;
}

LogicalResult verify(llvm::function_ref<InFlightDiagnostic()> emitError,
                     llvm::StringRef kind, ArrayRef<double> numbers) {
  std::string problem = kindOf(kind).problemOf(numbers);
  return problem.empty()
             ? success()
             : LogicalResult(emitError() << kind << ": " << problem);
}

template <typename Attr> SmallVector<double> adamNumbers(Attr rule) {
  return {valueOf(rule.getLrScale(), 1), valueOf(rule.getBeta1()),
          valueOf(rule.getBeta2()), valueOf(rule.getEps()),
          valueOf(rule.getDecay())};
}
} // namespace

const RuleKind &AdamWAttr::getKind() const { return kindOf("adamw"); }
SmallVector<double> AdamWAttr::getNumbers() const { return adamNumbers(*this); }
SmallVector<OptimizerState> AdamWAttr::getStates() const {
  return {{"exp_avg"}, {"exp_avg_sq"}};
}
bool AdamWAttr::readsStep() const { return true; }
LogicalResult AdamWAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                FloatAttr beta1, FloatAttr beta2, FloatAttr eps,
                                FloatAttr decay, FloatAttr lrScale) {
  return ::verify(emitError, "adamw",
                  {valueOf(lrScale, 1), valueOf(beta1), valueOf(beta2),
                   valueOf(eps), valueOf(decay)});
}

const RuleKind &AdamAttr::getKind() const { return kindOf("adam"); }
SmallVector<double> AdamAttr::getNumbers() const { return adamNumbers(*this); }
SmallVector<OptimizerState> AdamAttr::getStates() const {
  return {{"exp_avg"}, {"exp_avg_sq"}};
}
bool AdamAttr::readsStep() const { return true; }
LogicalResult AdamAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               FloatAttr beta1, FloatAttr beta2, FloatAttr eps,
                               FloatAttr decay, FloatAttr lrScale) {
  return ::verify(emitError, "adam",
                  {valueOf(lrScale, 1), valueOf(beta1), valueOf(beta2),
                   valueOf(eps), valueOf(decay)});
}

const RuleKind &SgdAttr::getKind() const { return kindOf("sgd"); }
SmallVector<double> SgdAttr::getNumbers() const {
  return {valueOf(getLrScale(), 1), valueOf(getMomentum()),
          valueOf(getDampening()), getNesterov() ? 1.0 : 0.0,
          valueOf(getDecay())};
}
SmallVector<OptimizerState> SgdAttr::getStates() const {
  if (valueOf(getMomentum()) == 0)
    return {};
  return {{"momentum_buffer"}};
}
bool SgdAttr::readsStep() const {
  return valueOf(getMomentum()) != 0 && valueOf(getDampening()) != 0;
}
LogicalResult SgdAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              FloatAttr momentum, FloatAttr dampening,
                              bool nesterov, FloatAttr decay,
                              FloatAttr lrScale) {
  return ::verify(emitError, "sgd",
                  {valueOf(lrScale, 1), valueOf(momentum), valueOf(dampening),
                   nesterov ? 1.0 : 0.0, valueOf(decay)});
}

const RuleKind &AdagradAttr::getKind() const { return kindOf("adagrad"); }
SmallVector<double> AdagradAttr::getNumbers() const {
  return {valueOf(getLrScale(), 1), valueOf(getLrDecay()), valueOf(getEps()),
          valueOf(getInitial()), valueOf(getDecay())};
}
SmallVector<OptimizerState> AdagradAttr::getStates() const {
  return {{"sum", valueOf(getInitial())}};
}
bool AdagradAttr::readsStep() const { return valueOf(getLrDecay()) != 0; }
LogicalResult AdagradAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  FloatAttr lrDecay, FloatAttr eps,
                                  FloatAttr initial, FloatAttr decay,
                                  FloatAttr lrScale) {
  return ::verify(emitError, "adagrad",
                  {valueOf(lrScale, 1), valueOf(lrDecay), valueOf(eps),
                   valueOf(initial), valueOf(decay)});
}

const RuleKind &LionAttr::getKind() const { return kindOf("lion"); }
SmallVector<double> LionAttr::getNumbers() const {
  return {valueOf(getLrScale(), 1), valueOf(getBeta1()), valueOf(getBeta2()),
          valueOf(getDecay())};
}
SmallVector<OptimizerState> LionAttr::getStates() const {
  return {{"exp_avg"}};
}
bool LionAttr::readsStep() const { return false; }
LogicalResult LionAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               FloatAttr beta1, FloatAttr beta2,
                               FloatAttr decay, FloatAttr lrScale) {
  return ::verify(
      emitError, "lion",
      {valueOf(lrScale, 1), valueOf(beta1), valueOf(beta2), valueOf(decay)});
}

const RuleKind &AdafactorAttr::getKind() const { return kindOf("adafactor"); }
SmallVector<double> AdafactorAttr::getNumbers() const {
  return {valueOf(getLrScale(), 1), valueOf(getBeta2Decay()),
          valueOf(getEps1()),       valueOf(getEps2()),
          valueOf(getD()),          valueOf(getDecay())};
}
SmallVector<OptimizerState> AdafactorAttr::getStates() const { return {}; }
bool AdafactorAttr::readsStep() const { return true; }
bool AdafactorAttr::isFactored() const { return true; }
LogicalResult
AdafactorAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      FloatAttr beta2Decay, FloatAttr eps1, FloatAttr eps2,
                      FloatAttr d, FloatAttr decay, FloatAttr lrScale) {
  return ::verify(emitError, "adafactor",
                  {valueOf(lrScale, 1), valueOf(beta2Decay), valueOf(eps1),
                   valueOf(eps2), valueOf(d), valueOf(decay)});
}

const RuleKind &AveragedAttr::getKind() const { return getRule().getKind(); }
SmallVector<double> AveragedAttr::getNumbers() const {
  return getRule().getNumbers();
}
SmallVector<OptimizerState> AveragedAttr::getStates() const {
  SmallVector<OptimizerState> states = getRule().getStates();
  states.push_back({"ema"});
  return states;
}
bool AveragedAttr::readsStep() const { return true; }
bool AveragedAttr::isFactored() const { return getRule().isFactored(); }
double AveragedAttr::getAverageDecay() const { return valueOf(getKeep()); }
LogicalResult AveragedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   OptimizerRule rule, FloatAttr keep) {
  if (rule.getAverageDecay() != 0)
    return emitError() << "averaged: the rule is averaged already";
  if (double value = valueOf(keep); !(value > 0 && value < 1))
    return emitError() << "averaged: keep is " << value
                       << ", expected a number in (0, 1)";
  return success();
}

const RuleKind &RoundedAttr::getKind() const { return getRule().getKind(); }
SmallVector<double> RoundedAttr::getNumbers() const {
  return getRule().getNumbers();
}
SmallVector<OptimizerState> RoundedAttr::getStates() const {
  SmallVector<OptimizerState> states = getRule().getStates();
  for (OptimizerState &state : states)
    state.type = getType();
  return states;
}
bool RoundedAttr::readsStep() const { return true; }
LogicalResult RoundedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  OptimizerRule rule, Type type) {
  constexpr size_t kMost = 4; // 16 bits of 64 each
  size_t states = rule.getStates().size();
  if (rule.isFactored() || rule.isRounded() || rule.getAverageDecay() != 0 ||
      states == 0 || states > kMost)
    return emitError() << "rounded: the rule " << Attribute(rule)
                       << " is not one of 1 to " << kMost
                       << " states that is neither averaged nor rounded";
  if (!type.isBF16())
    return emitError() << "rounded: states are kept in " << type
                       << ", expected bf16";
  return success();
}
